// Routes as this waypoint serves them, whichever resource said so (VirtualService, HTTPRoute, TCPRoute): whom they are for, what they match,
// where they send. Made by the parsers of those kinds, read by waypoint/routes. Hosts stay as written, with the namespace they stand in.

export interface RouteResource {
  readonly kind: 'VirtualService' | 'HTTPRoute' | 'TCPRoute';
  readonly name: string;
  readonly namespace: string;
  readonly creationTimestamp: string;
  /** Namespaces that may use it, as `exportTo` has them: `*`, `.`, or names; empty: all. */
  readonly exportTo: readonly string[];
  readonly targets: readonly RouteTarget[];
  /** In the order in which they are tried. */
  readonly http: readonly HttpRule[];
  readonly tcp: readonly TcpRule[];
}

/** A service whose traffic is routed: short name, full hostname, or one with a leading `*`. */
export interface RouteTarget {
  readonly host: string;
  readonly namespace: string;
  /** Undefined: every port. */
  readonly port: number | undefined;
}

export interface HttpRule {
  readonly name: string;
  /** One of them is enough; undefined: every request. */
  readonly matches: readonly HttpMatch[] | undefined;
  readonly action: RouteAction;
  /** Gateway API: greater ones are tried first, whatever the order written. */
  readonly rank: readonly number[];
}

export interface TcpRule {
  /** Ports of the service; undefined: all. */
  readonly ports: readonly number[] | undefined;
  readonly action: RouteAction;
}

export type RouteAction =
  | { readonly kind: 'forward'; readonly backends: readonly RouteBackend[] }
  /** The rule asks for something that is not served here, and going on without it would be wrong. */
  | { readonly kind: 'refuse'; readonly detail: string };

export type RouteBackend = { readonly weight: number } & (
  | {
      readonly kind: 'service';
      readonly host: string;
      readonly namespace: string;
      readonly port: number | undefined;
      readonly subset: string | undefined;
      /** What a request gets where there is no such service: VirtualService and Gateway API differ. */
      readonly statusWhenMissing: 500 | 503;
    }
  /** Its share of the traffic is refused. */
  | { readonly kind: 'invalid'; readonly detail: string }
);

/** What all of it must hold for. */
export interface HttpMatch {
  readonly path: TextMatch | undefined;
  readonly method: TextMatch | undefined;
  readonly authority: TextMatch | undefined;
  readonly scheme: TextMatch | undefined;
  readonly port: number | undefined;
  readonly headers: readonly NamedMatch[];
  /** Headers that must not match. */
  readonly withoutHeaders: readonly NamedMatch[];
  readonly query: readonly NamedMatch[];
}

export interface NamedMatch {
  readonly name: string;
  readonly value: TextMatch;
}

export type TextMatch =
  | { readonly kind: 'present' }
  | { readonly kind: 'exact' | 'prefix'; readonly text: string; readonly letters: 'as-written' | 'any-case' }
  /** Whole path elements: `/a` holds for `/a` and `/a/b`, not for `/ab`. */
  | { readonly kind: 'path-prefix'; readonly text: string }
  | { readonly kind: 'regex'; holdsFor(text: string): boolean };

export interface DestinationRule {
  readonly name: string;
  readonly namespace: string;
  readonly creationTimestamp: string;
  readonly exportTo: readonly string[];
  /** As written. */
  readonly host: string;
  readonly subsets: readonly Subset[];
}

/** The pods of a service that carry all these labels. */
export interface Subset {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}
