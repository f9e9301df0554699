/**
 * The catalogue of refusals and failures. Every error a client can see has one entry here, and the reference page in
 * `docs/errors.md` lists the same codes; a test compares them.
 *
 * Three families: a caller's mistake (4xx), our own or the store's fault (5xx), and an endpoint's failure, which is no
 * error of ours and has its words in `outcome.ts`.
 */

interface CatalogueEntry {
  readonly status: number;
  /** Constant per code; what happened this time goes into `detail`. */
  readonly title: string;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** Event Grid's words for it on routes its SDKs call: outer code and detail code. */
  readonly envelope?: readonly [string, string];
}

const badRequest = ['BadRequest', 'InputJsonInvalid'] as const;

export const catalogue = {
  InvalidJson: { status: 400, title: 'The body is not valid JSON', retryable: false, envelope: badRequest },
  InvalidUtf8: { status: 400, title: 'The body is not valid UTF-8', retryable: false, envelope: badRequest },
  TooDeep: { status: 400, title: 'The JSON is nested too deeply', retryable: false, envelope: badRequest },
  InvalidEvent: {
    status: 400,
    title: 'An event breaks the schema it is published in',
    retryable: false,
    envelope: badRequest,
  },
  InvalidEventHeader: {
    status: 400,
    title: 'A CloudEvents header is missing or invalid',
    retryable: false,
    envelope: ['BadRequest', 'InvalidCloudEventHeader'],
  },
  TooManyEvents: {
    status: 400,
    title: 'The batch has too many events',
    retryable: false,
    envelope: badRequest,
  },
  InvalidResource: { status: 400, title: 'The resource is not valid', retryable: false },
  InvalidParameter: { status: 400, title: 'A parameter is not valid', retryable: false },
  InvalidName: { status: 400, title: 'The name is not valid', retryable: false },
  InvalidSas: {
    status: 400,
    title: 'The access key is empty',
    retryable: false,
    envelope: ['BadRequest', 'InvalidSas'],
  },
  Unauthorized: {
    status: 401,
    title: 'The credential is missing or wrong',
    retryable: false,
    envelope: ['Unauthorized', 'Unauthorized'],
  },
  ForeignTopic: {
    status: 401,
    title: 'An event names a topic it is not published to',
    retryable: false,
    envelope: ['Unauthorized', 'Unauthorized'],
  },
  Forbidden: {
    status: 403,
    title: 'The credential does not allow this',
    retryable: false,
    envelope: ['Forbidden', 'Forbidden'],
  },
  RouteNotFound: {
    status: 404,
    title: 'There is nothing at this path',
    retryable: false,
    envelope: ['NotFound', 'ResourceNotFound'],
  },
  TopicNotFound: {
    status: 404,
    title: 'The topic does not exist',
    retryable: false,
    envelope: ['NotFound', 'ResourceNotFound'],
  },
  DomainNotFound: {
    status: 404,
    title: 'The domain, or the topic in it, does not exist',
    retryable: false,
    envelope: ['NotFound', 'ResourceNotFound'],
  },
  HandshakeNotFound: { status: 404, title: 'The validation address is not valid', retryable: false },
  SubscriptionNotFound: { status: 404, title: 'The subscription does not exist', retryable: false },
  KeyNotFound: { status: 404, title: 'The key does not exist', retryable: false },
  DeadLetterNotFound: { status: 404, title: 'The dead letter does not exist', retryable: false },
  JobNotFound: { status: 404, title: 'The job does not exist', retryable: false },
  MethodNotAllowed: {
    status: 405,
    title: 'The path does not support this method',
    retryable: false,
    envelope: ['MethodNotAllowed', 'MethodNotAllowed'],
  },
  WrongDeliveryMode: {
    status: 400,
    title: 'The subscription delivers in another way',
    retryable: false,
    envelope: ['BadRequest', 'WrongDeliveryMode'],
  },
  Conflict: { status: 409, title: 'The change conflicts with what is stored', retryable: false },
  PreconditionFailed: {
    status: 412,
    title: 'The resource is not in the state the request requires',
    retryable: false,
  },
  TooLarge: {
    status: 413,
    title: 'The request or an event is too large',
    retryable: false,
    envelope: ['RequestEntityTooLarge', 'PayloadTooLarge'],
  },
  UnsupportedContentType: {
    status: 415,
    title: 'The content type is not supported',
    retryable: false,
    envelope: ['UnsupportedMediaType', 'InvalidContentType'],
  },
  PublishRateExceeded: {
    status: 429,
    title: 'The topic takes no more at the moment',
    retryable: true,
    envelope: ['TooManyRequests', 'PublishRateExceeded'],
  },
  TooMuchDeferred: {
    status: 429,
    title: "The topic's subscriptions hold more than its publishers may add to",
    retryable: true,
    envelope: ['TooManyRequests', 'TooMuchDeferred'],
  },
  TooManyResources: { status: 409, title: 'A limit on the number of resources is reached', retryable: false },
  Internal: {
    status: 500,
    title: 'Gridpost failed',
    retryable: false,
    envelope: ['InternalServerError', 'InternalServerError'],
  },
  StoreFull: {
    status: 503,
    title: 'The store is full',
    retryable: true,
    envelope: ['ServiceUnavailable', 'StoreFull'],
  },
  StoreUnavailable: {
    status: 503,
    title: 'The store cannot be reached',
    retryable: true,
    envelope: ['ServiceUnavailable', 'StoreUnavailable'],
  },
  OutcomeUnknown: {
    status: 503,
    title: 'The store did not confirm in time; the events may have been accepted',
    retryable: true,
    envelope: ['ServiceUnavailable', 'OutcomeUnknown'],
  },
  IssuerUnavailable: {
    status: 503,
    title: 'The OIDC issuer cannot be reached',
    retryable: true,
    envelope: ['ServiceUnavailable', 'IssuerUnavailable'],
  },
  Draining: {
    status: 503,
    title: 'This process is shutting down',
    retryable: true,
    envelope: ['ServiceUnavailable', 'Draining'],
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

/** One place in the request that is wrong. */
export interface FieldError {
  /** JSON Pointer (RFC 6901) into the body, or `header/<name>`, `query/<name>`. */
  readonly pointer: string;
  /** What was seen and what is expected. */
  readonly message: string;
}

export interface ErrorOptions {
  readonly errors?: readonly FieldError[];
  /** Seconds after which trying again makes sense. Defaults to 1 for retryable codes. */
  readonly retryAfterSeconds?: number;
  /** Methods the path supports, for `MethodNotAllowed`. */
  readonly allow?: readonly string[];
  readonly cause?: unknown;
}

/** An error from the catalogue. `message` is the detail: the value seen, the value expected, the next step. */
export class GridpostError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
  readonly retryAfterSeconds: number | undefined;
  readonly allow: readonly string[] | undefined;

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GridpostError';
    this.code = code;
    this.errors = options.errors ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? (catalogue[code].retryable ? 1 : undefined);
    this.allow = options.allow;
  }

  get entry(): CatalogueEntry {
    return catalogue[this.code];
  }

  get status(): number {
    return catalogue[this.code].status;
  }
}
