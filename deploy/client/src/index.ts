// Orders, from a page or from a server, and where a payment stands.

import type { components } from "./schema.js";

export { pollConfirm, type Confirmation, type PollOptions } from "./confirm.js";

type Schemas = components["schemas"];

/** What a buyer orders of the shop's own offerings. */
export type Order = Schemas["Order"];
/** What a site sells at its own price. */
export type SiteOrder = Schemas["SiteOrder"];
/** Where the buyer pays. */
export type Checkout = Schemas["CreatedCheckoutSession"];
/** What is wrong with one field of an order. */
export type FieldError = Schemas["FieldError"];

export interface OrderOptions {
  /** Where Bookonce is, such as `https://book.example.com`; the page's own origin if left out. */
  api?: string;
  /** The `Idempotency-Key`: the same for every try of one wish. Of each call its own if left out. */
  key?: string;
  /** Gives up. */
  signal?: AbortSignal;
}

export interface SiteOrderOptions extends OrderOptions {
  api: string;
  /** One of `SITE_API_KEYS`. Keep it on your server. */
  apiKey: string;
}

/** Tries of one call, with one key: none holds more than the first. */
const TRIES = 4;
/** Longer waits are the caller's to decide about. */
const LONGEST_WAIT_MS = 10_000;
const TIMEOUT_MS = 30_000;

/** An order that was refused, or got no answer (`code` is then `unreachable`). */
export class OrderError extends Error {
  override name = "OrderError";

  constructor(
    /** The HTTP status; 0 without an answer. */
    readonly status: number,
    /** For programs: a code of the API's. */
    readonly code: string,
    message: string,
    /** Every field that is wrong. */
    readonly errors: FieldError[] = [],
    /** When it makes sense to try again, in ms, if the answer says. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/**
 * Holds seats and opens a Checkout Session: send the buyer to its `checkout_url`.
 *
 * Call it once for each click. What may pass is tried again with the same key.
 */
export function createCheckout(order: Order, options: OrderOptions = {}): Promise<Checkout> {
  return place(`${options.api ?? ""}/api/create-checkout-session`, order, {}, options);
}

/** The same at a price of the site's own. For servers: it takes a key that no browser may see. */
export function createSiteCheckout(order: SiteOrder, options: SiteOrderOptions): Promise<Checkout> {
  const authorization = `Bearer ${options.apiKey}`;
  return place(`${options.api}/api/checkout-sessions`, order, { authorization }, options);
}

async function place(
  url: string,
  order: object,
  headers: Record<string, string>,
  { key = newKey(), signal }: OrderOptions,
): Promise<Checkout> {
  for (let tries = 1; ; tries += 1) {
    const outcome = await once(url, order, { ...headers, "idempotency-key": key }, signal);
    if (!(outcome instanceof OrderError)) return outcome;
    const wait = outcome.retryAfterMs ?? 500 * 2 ** tries * (0.5 + Math.random());
    if (tries === TRIES || !mayPass(outcome) || wait > LONGEST_WAIT_MS) throw outcome;
    await pause(wait, signal);
  }
}

/** Whether the same order may be taken a moment later. */
const mayPass = ({ status, code }: OrderError) =>
  [0, 429, 503].includes(status) || ["checkout_conflict", "stripe_unavailable"].includes(code);

async function once(
  url: string,
  order: object,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<Checkout | OrderError> {
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(order),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const answer = await response.json();
    if (response.ok) return answer as Checkout;
    const problem = answer as Schemas["Problem"];
    const seconds = Number(response.headers.get("retry-after") ?? NaN);
    const retryAfterMs = Number.isFinite(seconds) ? 1000 * seconds : undefined;
    return new OrderError(response.status, problem.code, problem.detail, problem.errors, retryAfterMs);
  } catch (error) {
    signal?.throwIfAborted();
    return new OrderError(0, "unreachable", String(error));
  }
}

/** A key for one wish. Browsers have `randomUUID` on https and on localhost only. */
export function newKey(): string {
  return crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
