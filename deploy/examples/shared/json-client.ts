// Calls other services of the examples, over a new connection each time, through the HTTP proxy of http_proxy where that is set, as curl does.
// In: a URL, and the headers of the request that is being answered. Out: status and JSON.
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { JsonAnswer } from './json-service-process.ts';

const longestMs = 5_000;
/** What makes one trace of many requests, and who is signed in. */
const passedOn = /^(x-request-id|traceparent|tracestate|b3|x-b3-.*|end-user)$/;

export type GetJson = (url: string, headers?: IncomingHttpHeaders) => Promise<JsonAnswer>;

/** @param proxy URL of the proxy; undefined: none */
export function createJsonClient(proxy: string | undefined): GetJson {
  return async (url, headers = {}) => {
    const target = new URL(url);
    const to = proxy === undefined ? target : new URL(proxy);
    const kept = Object.entries(headers).filter(([name]) => passedOn.test(name));
    const outgoing = request({
      host: to.hostname,
      port: to.port,
      path: proxy === undefined ? target.pathname : url,
      headers: { ...Object.fromEntries(kept), host: target.host },
      agent: false,
      timeout: longestMs,
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${target.host} within ${longestMs} ms`)));
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const text = Buffer.concat(await response.toArray()).toString();
    return { status: response.statusCode ?? 0, body: parseOr(text) };
  };
}

/** Proxies answer in text. */
function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
