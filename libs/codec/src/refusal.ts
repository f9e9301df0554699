/** Collects what is wrong with one event, so that its publisher learns everything at once, and words the refusal. */
import { type ErrorCode, type FieldError, GridpostError, limits } from '@gridpost/model';
import { shownBare } from './text.js';

/** Problems reported of one event; more would not help anybody. */
const errorsMax = 10;

export class Problems {
  readonly #kind: 'body' | 'header';
  readonly #errors: FieldError[] = [];
  /** Which event of a batch is being read. */
  index: number | undefined;

  /** `body`: the names noted are members of the event's object. `header`: they are headers. */
  constructor(kind: 'body' | 'header') {
    this.#kind = kind;
  }

  /** Notes that a member or header is wrong: `name`, or the last of several names that lead to it. */
  add(name: string | readonly string[], message: string): void {
    if (this.#errors.length >= errorsMax) return;
    let pointer = this.#kind === 'header' ? 'header' : pointerOf(this.index);
    for (const token of typeof name === 'string' ? [name] : name) pointer += `/${tokenOf(token)}`;
    this.#errors.push({ pointer, message });
  }

  /** Throws `InvalidEvent` or `InvalidEventHeader` if anything was noted. */
  throwIfAny(): void {
    const [first, ...others] = this.#errors;
    if (!first) return;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    throw new GridpostError(
      this.#kind === 'header' ? 'InvalidEventHeader' : 'InvalidEvent',
      `${subjectOf(this.index)}: ${first.message}${more}`,
      { errors: this.#errors },
    );
  }
}

function subjectOf(index: number | undefined): string {
  return index === undefined ? 'the event' : `event ${index}`;
}

/** JSON Pointer of an event: the whole body, or an element of the batch. */
function pointerOf(index: number | undefined): string {
  return index === undefined ? '' : `/${index}`;
}

/** In a JSON Pointer `~` and `/` are written `~0` and `~1` (RFC 6901 §3). */
function tokenOf(name: string): string {
  return shownBare(name).replaceAll('~', '~0').replaceAll('/', '~1');
}

/** A refusal of an event as a whole, or because of the member that `names` lead to. */
export function refuseEvent(
  code: ErrorCode,
  index: number | undefined,
  message: string,
  names: readonly string[] = [],
): GridpostError {
  const pointer = [pointerOf(index), ...names.map(tokenOf)].join('/');
  return new GridpostError(code, `${subjectOf(index)}: ${message}`, { errors: [{ pointer, message }] });
}

/** Throws `TooLarge` if an event of so many bytes is too large. */
export function expectEventBytes(bytes: number, index: number | undefined): void {
  if (bytes <= limits.eventBytesMax) return;
  throw refuseEvent('TooLarge', index, `it has ${bytes} bytes; at most ${limits.eventBytesMax} are allowed`);
}
