// Peer metadata in HTTP's own headers, as sidecars exchange it: told only to who would take it away again before the application.
// In: who we are, an exchange or a client. Out: the same, with our headers where they belong. Source: waypoint-telemetry.md §5.2.
import type { ToldPeer } from '../../common/peer/peer-exchange-codec.ts';
import { encodePeerMetadata, peerMetadataHeader, peerMetadataIdHeader } from '../../common/peer/peer-headers.ts';
import { findHeader, type HeaderList } from './header-list.ts';
import type { HttpClient, ResponseHead, ServerExchange } from './http-exchange.ts';

/** Made once for each. */
const introductions = new WeakMap<ToldPeer, HeaderList>();

function introductionOf(peer: ToldPeer): HeaderList {
  const known = introductions.get(peer);
  if (known !== undefined) return known;
  const headers = [peerMetadataIdHeader, peer.nodeId, peerMetadataHeader, encodePeerMetadata(peer.metadata)];
  introductions.set(peer, headers);
  return headers;
}

/** For a sidecar: its requests are told who sends them. */
export function introducingClient(client: HttpClient, self: () => ToldPeer): HttpClient {
  return {
    get isIdle() {
      return client.isIdle;
    },
    send: (request) => client.send({ ...request, headers: [...request.headers, ...introductionOf(self())] }),
    close: () => client.close(),
  };
}

export function isIntroduced(headers: HeaderList): boolean {
  return (
    findHeader(headers, peerMetadataHeader) !== undefined || findHeader(headers, peerMetadataIdHeader) !== undefined
  );
}

/** A caller that says who it is hears who answers: of what it told itself. */
export function introducedExchange(exchange: ServerExchange, self: () => ToldPeer): ServerExchange {
  const asked = exchange.request.headers;
  const answer = ({ status, headers }: ResponseHead): ResponseHead => {
    const own = introductionOf(self());
    const told = [peerMetadataIdHeader, peerMetadataHeader].flatMap((name) =>
      findHeader(asked, name) === undefined ? [] : [name, findHeader(own, name) ?? ''],
    );
    return { status, headers: [...headers, ...told] };
  };
  return {
    request: exchange.request,
    body: exchange.body,
    respond: (head, body) => exchange.respond(answer(head), body),
    switchProtocols: (head, upstream) => exchange.switchProtocols(answer(head), upstream),
    reset: () => exchange.reset(),
    onEnd: (listener) => exchange.onEnd(listener),
  };
}
