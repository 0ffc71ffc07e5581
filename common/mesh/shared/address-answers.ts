// Answers to look-ups by address that one thread has had, good until anything in the mesh changes: programs dial the same addresses
// again and again. Bounded: begins anew when it is full.
import type { IpAddress } from '../../net/address.ts';

export interface AddressAnswer<T> {
  readonly network: string;
  /** Whose view it is of what not everybody sees. */
  readonly clientNamespace: string | undefined;
  readonly found: T | undefined;
}

const maxAnswers = 1_024;

export class AddressAnswers<T> {
  #moment = Number.NaN;
  readonly #byIp = new Map<IpAddress, AddressAnswer<T>>();

  /** @param moment of the mesh, as `MeshRecords.moment` tells it */
  get(
    moment: number,
    network: string,
    ip: IpAddress,
    clientNamespace: string | undefined,
  ): AddressAnswer<T> | undefined {
    if (moment !== this.#moment) return undefined;
    const answer = this.#byIp.get(ip);
    return answer?.network === network && answer.clientNamespace === clientNamespace ? answer : undefined;
  }

  set(moment: number, ip: IpAddress, answer: AddressAnswer<T>): void {
    if (moment !== this.#moment || this.#byIp.size >= maxAnswers) this.#byIp.clear();
    this.#moment = moment;
    this.#byIp.set(ip, answer);
  }
}
