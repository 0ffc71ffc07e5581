// Reads /proc/<pid>/net/tcp and tcp6: which local ports of a network namespace are being listened on, without sending it
// a packet. Text in, `address:port` keys out.

export interface ListeningPort {
  /** Dotted IPv4; "" for the wildcard of either family and for any IPv6 address. */
  readonly ip: string;
  readonly port: number;
}

const listenState = '0A';

export function parseListeningPorts(text: string): readonly ListeningPort[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      const [address, port] = (local ?? '').split(':');
      if (state !== listenState || address === undefined || port === undefined) return [];
      return [{ ip: ipv4Of(address), port: Number.parseInt(port, 16) }];
    });
}

export function isListening(open: readonly ListeningPort[], ip: string, port: number): boolean {
  return open.some((entry) => entry.port === port && (entry.ip === '' || entry.ip === ip));
}

/** The kernel writes the 32 bits in host order: least significant byte first on every machine we run on. */
function ipv4Of(hex: string): string {
  if (hex.length !== 8 || hex === '00000000') return '';
  const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return bytes.join('.');
}
