// Decides whether a request is one that a rule means. In: the rule's matches, the request's head, the port of the service. Out: yes or no.
// Source: waypoint-telemetry.md §8.2, §8.5.
import { joinHeader } from '../http/header-list.ts';
import type { RequestHead } from '../http/http-exchange.ts';
import type { HttpMatch, HttpRule, NamedMatch, TextMatch } from '../resources/route-rules.ts';

export type MatchedHead = Pick<RequestHead, 'method' | 'scheme' | 'authority' | 'path' | 'headers'>;

export function matchesRequest({ matches }: HttpRule, request: MatchedHead, port: number): boolean {
  return matches === undefined || matches.some((match) => holds(match, request, port));
}

function holds(match: HttpMatch, request: MatchedHead, port: number): boolean {
  if (match.port !== undefined && match.port !== port) return false;
  if (!isOptionally(match.method, request.method) || !isOptionally(match.scheme, request.scheme)) return false;
  if (!isOptionally(match.authority, request.authority)) return false;
  const queryAt = request.path.indexOf('?');
  const path = queryAt < 0 ? request.path : request.path.slice(0, queryAt);
  if (!isOptionally(match.path, path)) return false;
  const header = (name: string): string | undefined => joinHeader(request.headers, name);
  if (!match.headers.every((wanted) => isThere(wanted, header(wanted.name)))) return false;
  // A header that is missing counts as empty text.
  if (match.withoutHeaders.some((unwanted) => isThere(unwanted, header(unwanted.name), ''))) return false;
  if (match.query.length === 0) return true;
  const parameters = new URLSearchParams(queryAt < 0 ? '' : request.path.slice(queryAt + 1));
  return match.query.every((wanted) => isThere(wanted, parameters.get(wanted.name) ?? undefined));
}

function isOptionally(match: TextMatch | undefined, text: string): boolean {
  return match === undefined || isText(match, text);
}

/** @param absent what a value that is missing is compared as, unless it only has to be there */
function isThere({ value: match }: NamedMatch, value: string | undefined, absent?: string): boolean {
  if (match.kind === 'present') return value !== undefined;
  const text = value ?? absent;
  return text !== undefined && isText(match, text);
}

function isText(match: TextMatch, text: string): boolean {
  switch (match.kind) {
    case 'present':
      return true;
    case 'regex':
      return match.holdsFor(text);
    case 'path-prefix': {
      const prefix = match.text.endsWith('/') ? match.text.slice(0, -1) : match.text;
      return text === prefix || text.startsWith(`${prefix}/`);
    }
    default: {
      const [wanted, found] =
        match.letters === 'any-case' ? [match.text.toLowerCase(), text.toLowerCase()] : [match.text, text];
      return match.kind === 'exact' ? found === wanted : found.startsWith(wanted);
    }
  }
}
