// Where a payment stands, in a component.

import { useEffect, useState } from "react";

import { pollConfirm, type Confirmation, type PollOptions } from "./confirm.js";

/** What is known of a session: nothing yet, or its latest confirmation. */
export type ConfirmState = { status: "checking" } | Confirmation;

/**
 * Asks until there is nothing left to wait for, for as long as the component is shown.
 *
 * - `sessionId`: from the address Stripe sends the buyer back to; without one it is `unknown`.
 */
export function useConfirm(
  sessionId: string | null | undefined,
  { api }: Pick<PollOptions, "api"> = {},
): ConfirmState {
  const [state, setState] = useState<ConfirmState>({ status: "checking" });
  useEffect(() => {
    if (!sessionId) {
      setState({ status: "unknown" });
      return;
    }
    setState({ status: "checking" });
    const left = new AbortController();
    void pollConfirm(sessionId, setState, { api: api ?? "", signal: left.signal });
    return () => left.abort();
  }, [sessionId, api]);
  return state;
}
