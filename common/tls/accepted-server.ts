// Which certificates of a control plane are accepted: those for the host that is dialled, or for one further name. In: its address and
// that name. Out: what to compare a certificate with, in the form in which node:tls asks.
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

export interface AcceptedServer {
  /** Of an IPv6 address without brackets. */
  readonly host: string;
  /** Why the certificate is good for none of the names; undefined when it is for one. */
  checkServerIdentity(name: string, certificate: PeerCertificate): Error | undefined;
}

/** @param address a URL */
export function acceptedServer(address: string, alternativeHostname: string | undefined): AcceptedServer {
  const host = new URL(address).hostname.replace(/^\[|\]$/g, '');
  const names = alternativeHostname === undefined ? [host] : [host, alternativeHostname];
  return {
    host,
    checkServerIdentity(_, certificate) {
      const errors = names.map((name) => checkServerIdentity(name, certificate));
      return errors.includes(undefined) ? undefined : errors[0];
    },
  };
}
