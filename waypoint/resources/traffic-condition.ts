// What one restriction of an AuthorizationPolicy says of a request or connection: attributes of layer 4 by the rules of ztunnel, those of HTTP by
// Envoy's. In: a restriction. Out: a condition; undefined where it cannot be told here. Source: waypoint-telemetry.md §8.8.
import { type AuthorizationFacts, isMatch, isTextMatch } from '../../common/mesh/match-policy.ts';
import { readRestriction, readStringMatch } from '../../common/sources/derive/policy-values.ts';
import type { Restriction } from '../../common/sources/kinds/authorization-policy.ts';
import { compilePathTemplate, isPathTemplate } from './path-template.ts';

export interface TrafficFacts extends AuthorizationFacts {
  /** Undefined for a connection that is carried unread. */
  readonly http: HttpFacts | undefined;
}

export interface HttpFacts {
  readonly method: string;
  readonly authority: string;
  /** Normalized, without the query. */
  readonly path: string;
  /** Several values are joined with a comma; undefined: there is none. The name is in lower case. */
  header(name: string): string | undefined;
}

/** @param action what HTTP attributes come to for a connection without HTTP: they never admit, and never keep from denying */
export type TrafficCondition = (facts: TrafficFacts, action: 'allow' | 'deny') => boolean;

export type ConditionReader = (restriction: Restriction) => TrafficCondition | undefined;

type TextOf = (http: HttpFacts) => string | undefined;
type TextTest = (text: string | undefined) => boolean;

/** @param onUntold names and values that cannot be told */
export function conditionReader(namespace: string, onUntold: (what: string) => void): ConditionReader {
  return (restriction) => {
    const { name, values, notValues } = restriction;
    const layer4 = readRestriction(restriction, namespace);
    if (layer4 !== undefined) {
      const unreadable = [...layer4.unreadableValues, ...layer4.unreadableNotValues];
      for (const value of unreadable) onUntold(`${name} ${JSON.stringify(value)}`);
      return unreadable.length > 0 ? undefined : (facts) => isMatch(layer4.match, facts);
    }
    const http = httpAttribute(name);
    if (http === undefined) {
      onUntold(name);
      return undefined;
    }
    const wanted = values.map(http.test);
    const unwanted = notValues.map(http.test);
    return ({ http: request }, action) => {
      if (request === undefined) return action === 'deny';
      const text = http.textOf(request);
      if (wanted.length > 0 && !wanted.some((test) => test(text))) return false;
      return !unwanted.some((test) => test(text));
    };
  };
}

interface HttpAttribute {
  readonly textOf: TextOf;
  test(value: string): TextTest;
}

function httpAttribute(name: string): HttpAttribute | undefined {
  switch (name) {
    case 'methods':
      return { textOf: ({ method }) => method, test: textTest };
    case 'hosts':
      return { textOf: ({ authority }) => authority.toLowerCase(), test: (value) => textTest(value.toLowerCase()) };
    case 'paths':
      return { textOf: ({ path }) => path, test: pathTest };
    default: {
      const [, header] = /^request\.headers\[([^\]]+)\]$/.exec(name) ?? [];
      if (header === undefined) return undefined;
      const lower = header.toLowerCase();
      return { textOf: (http) => http.header(lower), test: textTest };
    }
  }
}

function textTest(value: string): TextTest {
  const match = readStringMatch(value);
  return (text) => text !== undefined && isTextMatch(match, text);
}

function pathTest(value: string): TextTest {
  if (!isPathTemplate(value)) return textTest(value);
  const fits = compilePathTemplate(value);
  return (text) => text !== undefined && fits(text);
}
