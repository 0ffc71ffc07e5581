// Asks the machine's resolver for the addresses of a name: hosts outside the mesh, and workloads that have only a name.
// An empty answer means that the name has no address (or nobody could say).
import { lookup } from 'node:dns/promises';
import { type IpAddress, parseIp } from '../common/net/address.ts';

export type NameLookup = (hostname: string) => Promise<readonly IpAddress[]>;

export const lookUpName: NameLookup = async (hostname) => {
  try {
    const answers = await lookup(hostname, { all: true, order: 'verbatim' });
    return answers.flatMap(({ address }) => parseIp(address) ?? []);
  } catch {
    return [];
  }
};
