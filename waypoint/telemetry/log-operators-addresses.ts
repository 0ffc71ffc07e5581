// Command operators for the ends of a connection: addresses, identities, cluster and hosts. Source: Envoy's substitution_formatter.rst.

import { formatSocketAddress, type IpAddress, type SocketAddress } from '../../common/net/address.ts';
import { bitsOf, formatCidr, rangeOf } from '../../common/net/cidr.ts';
import type { LogFacts } from './log-facts.ts';
import { absent, type LogOperator, type OperatorTable, optional, plain } from './log-operator.ts';
import { clusterName } from './request-attributes.ts';

type ReadAddress = (facts: LogFacts) => SocketAddress | undefined;

const upstreamAddress: ReadAddress = ({ upstream }) => upstream?.address;
const addressText: LogOperator = ({ upstream }) => upstream && formatSocketAddress(upstream.address);
const hostName: LogOperator = (facts) => facts.upstream?.workload.hostname || addressText(facts);
const hostNameAlone: LogOperator = ({ upstream }) => upstream && (upstream.workload.hostname || upstream.address.ip);
const cluster: LogOperator = ({ downstream, upstream }) => clusterName(downstream.target, upstream);

function addresses(name: string, read: ReadAddress): OperatorTable {
  return {
    [`${name}_ADDRESS`]: plain((facts) => {
      const address = read(facts);
      return address && formatSocketAddress(address);
    }),
    [`${name}_ADDRESS_WITHOUT_PORT`]: optional((length) => withoutPort(read, length)),
    [`${name}_PORT`]: plain((facts) => read(facts)?.port),
    [`${name}_ADDRESS_ENDPOINT_ID`]: absent,
  };
}

/** @param length of a prefix, to which the address is cut */
function withoutPort(read: ReadAddress, length: string): LogOperator | string {
  if (length === '') return (facts) => read(facts)?.ip;
  if (!/^\d{1,3}$/.test(length) || Number(length) > 128) return 'takes the length of a prefix';
  return (facts) => {
    const address = read(facts);
    return address && masked(address.ip, Number(length));
  };
}

function masked(ip: IpAddress, length: number): string | undefined {
  const range = length > bitsOf(ip) ? undefined : rangeOf(ip, length);
  return range && formatCidr(range);
}

const nowhere: ReadAddress = () => undefined;

export const addressOperators: OperatorTable = {
  ...addresses('UPSTREAM_REMOTE', upstreamAddress),
  ...addresses('UPSTREAM_LOCAL', nowhere),
  ...addresses('DOWNSTREAM_LOCAL', ({ downstream }) => downstream.target.address),
  ...addresses('DOWNSTREAM_DIRECT_LOCAL', nowhere),
  ...addresses('DOWNSTREAM_REMOTE', ({ downstream }) => downstream.address),
  ...addresses('DOWNSTREAM_DIRECT_REMOTE', ({ downstream }) => downstream.address),
  UPSTREAM_HOST: plain(addressText),
  UPSTREAM_HOST_NAME: plain(hostName),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: plain(hostNameAlone),
  UPSTREAM_HOSTS_ATTEMPTED: plain(addressText),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: plain(({ upstream }) => upstream?.address.ip),
  UPSTREAM_HOST_NAMES_ATTEMPTED: plain(hostName),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: plain(hostNameAlone),
  UPSTREAM_CLUSTER: plain(cluster),
  UPSTREAM_CLUSTER_RAW: plain(cluster),
  DOWNSTREAM_PEER_URI_SAN: plain(({ downstream }) => downstream.identity?.uri),
  DOWNSTREAM_LOCAL_URI_SAN: plain(({ downstream }) => downstream.localIdentity.uri),
};
