// What runs has a start, a drain and an end. `app.ts` files are the order in which these are called.

export interface Runnable {
  /** Ready to serve when it resolves. @throws MeshError when it cannot */
  start(): Promise<void>;
  /** Takes nothing new, lets what it has finish until the deadline (milliseconds from now). */
  drain(deadlineMs: number): Promise<void>;
  /** Ends now; idempotent. */
  close(): Promise<void>;
}
