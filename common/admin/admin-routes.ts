// The administrator's pages (ztunnel.md §12): index, configuration dump, log levels, shutdown. In: what they show and
// change, by argument. Out: routes; the server that carries them belongs on loopback only.

import { type LevelDirectives, logLevels, parseDirectives, writeDirectives } from '../log-levels.ts';
import type { HttpRequest, HttpResponse, Route } from './http-route.ts';
import { type Json, writeSortedJson } from './sorted-json.ts';

export interface AdminPages {
  /** What this process is, as the index says it: `ztunnel`. */
  readonly title: string;
  readonly dumpConfig: () => Json | Promise<Json>;
  readonly logging: LevelControl;
  /** Begins the orderly end of the process. */
  readonly shutdown: () => void;
}

/** The part of `Logging` that is needed here. */
export interface LevelControl {
  readonly directives: LevelDirectives;
  apply(directives: LevelDirectives): void;
}

export function adminRoutes(pages: AdminPages): readonly Route[] {
  const startDirectives = pages.logging.directives;
  return [
    { method: 'any', path: '/', handle: () => index(pages.title) },
    { method: 'any', path: '/config_dump', handle: async () => json(await pages.dumpConfig()) },
    { method: 'any', path: '/logging', handle: (request) => changeLevels(pages.logging, startDirectives, request) },
    { method: 'POST', path: '/quitquitquit', handle: () => quit(pages) },
  ];
}

function changeLevels(logging: LevelControl, atStart: LevelDirectives, { method, query }: HttpRequest): HttpResponse {
  if (method !== 'POST') return { status: 405, headers: { allow: 'POST' }, body: loggingHelp };
  const before = query.has('reset') ? atStart : logging.directives;
  const asked = query.get('level') ?? '';
  const parsed = asked === '' ? ({ kind: 'valid', directives: before } as const) : parseDirectives(asked, before);
  if (parsed.kind === 'invalid') return { status: 400, body: `Invalid level provided: ${asked}\n${loggingHelp}` };
  logging.apply(parsed.directives);
  return { status: 200, body: `current log level is ${writeDirectives(parsed.directives)}\n` };
}

const loggingHelp = `usage: POST /logging\t\t\t(the current level)
usage: POST /logging?level=<level>\t(${logLevels.join('|')})
usage: POST /logging?level=<scope>=<level>,<scope>=<level>
usage: POST /logging?reset\t\t(the level at start)
`;

function quit({ shutdown }: AdminPages): HttpResponse {
  shutdown();
  return { status: 200, body: 'shutdown now\n' };
}

function json(value: Json): HttpResponse {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: `${writeSortedJson(value)}\n` };
}

function index(title: string): HttpResponse {
  const entries = [
    ['config_dump', 'GET', 'workloads, services, policies, certificates and connections, as JSON'],
    ['logging', 'POST', 'shows or changes the log level: ?level=debug, ?level=access=debug, ?reset'],
    ['debug/pprof/profile', 'GET', 'what it computes, for go tool pprof: ?seconds=10, ?frequency=100'],
    ['debug/pprof/heap', 'GET', 'what it holds, for go tool pprof, after debug/pprof/heap/profiling?activate=true'],
    ['quitquitquit', 'POST', 'ends the process in order'],
  ];
  const rows = entries.map(([path, method, what]) => `<li>${method} <a href="${path}">/${path}</a>: ${what}</li>`);
  const body = `<!doctype html>\n<title>${title}</title>\n<h1>${title}</h1>\n<ul>\n${rows.join('\n')}\n</ul>\n`;
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
}
