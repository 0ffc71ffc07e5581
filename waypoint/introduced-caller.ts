// Who calls on one stream: as it was admitted, until its first headers say more. In: exchanges. Out: the exchange as it is to be
// answered, and whose it is.
import type { PeerClaims } from '../common/peer/peer-claims.ts';
import type { ToldPeer } from '../common/peer/peer-exchange-codec.ts';
import { findHeader } from './http/header-list.ts';
import type { ServerExchange } from './http/http-exchange.ts';
import { introducedExchange, isIntroduced } from './http/introduce.ts';
import { describeByHeaders } from './listener/describe-client.ts';
import type { Downstream } from './served-target.ts';

export interface IntroductionParts {
  /** What we tell of ourselves. */
  readonly introduction: () => ToldPeer;
  readonly network: string;
  readonly peerClaims: Pick<PeerClaims, 'judge'>;
}

export class IntroducedCaller {
  downstream: Downstream;
  readonly #parts: IntroductionParts;
  readonly #forget: (downstream: Downstream) => void;
  #introduction: 'due' | 'heard';

  /** @param forget told of a downstream that another one has taken the place of */
  constructor(parts: IntroductionParts, downstream: Downstream, forget: (downstream: Downstream) => void) {
    this.downstream = downstream;
    this.#parts = parts;
    this.#forget = forget;
    this.#introduction = downstream.workload === undefined ? 'due' : 'heard';
  }

  received(exchange: ServerExchange): ServerExchange {
    const { headers } = exchange.request;
    if (!isIntroduced(headers)) return exchange;
    if (this.#introduction === 'due') {
      this.#introduction = 'heard';
      this.#forget(this.downstream);
      this.downstream = describeByHeaders(this.#parts, this.downstream, (name) => findHeader(headers, name));
    }
    return introducedExchange(exchange, this.#parts.introduction);
  }
}
