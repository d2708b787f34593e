import type { components } from "./schema.js";

/** What `POST /api/payment/confirm` says; or that it knows no such session, or could not be asked. */
export type Confirmation =
  | components["schemas"]["PaymentConfirmation"]
  | { status: "unknown" }
  | { status: "offline" };

export interface PollOptions {
  /** Where Bookonce is, such as `https://book.example.com`; the page's own origin if left out. */
  api?: string;
  /** Ends it. */
  signal?: AbortSignal;
}

/**
 * Asks where a Checkout Session stands until there is nothing left to wait for, and calls `show` with
 * each answer. `offline` is no end: it goes on.
 */
export function pollConfirm(
  sessionId: string,
  show: (confirmation: Confirmation) => void,
  options?: PollOptions,
): Promise<void>;
