/**
 * Asks Gridpost's own management routes within the process. Azure's routes are another face of the same resources: what
 * is checked, written and told is decided by the same functions, whichever face a client sees.
 */
import type { Request, Response } from 'express';
import type { Route } from '../route.js';

export interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
  readonly body: any;
}

/** What is different from the request that is being answered. */
export interface Changes {
  readonly params?: Readonly<Record<string, string>>;
  readonly headers?: Request['headers'];
  readonly body?: unknown;
}

export class NativeRoutes {
  readonly #routes = new Map<string, Route>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#routes.set(`${route.method} ${route.path}`, route);
  }

  /** Resolves with what the route answers to this request, changed so. Rejects with what the route rejects with. */
  async ask(method: Route['method'], path: string, req: Request, changes: Changes = {}): Promise<Answered> {
    const { handle } = this.#routes.get(`${method} ${path}`)!;
    const params = { ...req.params, ...changes.params } as Record<string, string>;
    const asked: Request = Object.create(req, {
      params: { value: params },
      path: { value: path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name]!)) },
      headers: { value: changes.headers ?? req.headers },
      body: { value: changes.body },
      method: { value: method },
    });
    const answer = new Recorder();
    await handle(asked, answer as unknown as Response);
    return { status: answer.code, headers: answer.headers, body: answer.body };
  }
}

/** As much of Express's response as routes use that answer with JSON, or with nothing. */
class Recorder {
  code = 200;
  readonly headers = new Map<string, string>();
  body: unknown;

  status(code: number): this {
    this.code = code;
    return this;
  }

  set(name: string, value: string): this {
    this.headers.set(name, value);
    return this;
  }

  json(body: unknown): void {
    this.body = body;
  }

  end(): void {}
}
