// One line of the access log: what is known of a connection and how it ended in, the line's fields in ztunnel's order out
// (ztunnel.md §11). What is not known is left out. `code` is ours: the permanent code behind the error's text.
import { codeOf } from '../../common/errors.ts';
import { LineFields, type LogLine } from '../../common/line-log.ts';
import { MadeBefore } from '../../common/made-before.ts';
import { formatSocketAddress, type SocketAddress } from '../../common/net/address.ts';
import type { PeerLabels } from '../../common/telemetry/tcp-labels.ts';
import { type ConnectionEnd, type ConnectionFacts, labelsOf } from './connection-facts.ts';
import { errorText } from './error-text.ts';

export interface ConnectionOutcome {
  /** From downstream to upstream. */
  readonly receivedBytes: number;
  /** From upstream to downstream. */
  readonly sentBytes: number;
  readonly durationMs: number;
  readonly error: Error | undefined;
}

/** A connection that was refused before anything was counted. */
export interface EarlyDenial {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly direction: ConnectionFacts['direction'];
  readonly error: Error;
}

export function writeOpened(line: LogLine, facts: ConnectionFacts): void {
  writeFacts(line, facts);
  line.end();
}

/** Sent and received are this side's view: a source sends requests, a destination sends responses. */
export function writeCompleted(line: LogLine, facts: ConnectionFacts, outcome: ConnectionOutcome): void {
  const { receivedBytes, sentBytes, error } = outcome;
  const isSource = facts.direction === 'outbound';
  writeFacts(line, facts);
  line.number('bytes_sent', isSource ? receivedBytes : sentBytes);
  line.number('bytes_recv', isSource ? sentBytes : receivedBytes);
  line.text('duration', `${Math.trunc(outcome.durationMs)}ms`);
  if (error !== undefined) writeError(line, error, facts.direction);
  line.end();
}

export function writeDenied(line: LogLine, { source, destination, direction, error }: EarlyDenial): void {
  line.address('src.addr', formatSocketAddress(source));
  line.address('dst.addr', formatSocketAddress(destination));
  line.text('direction', direction);
  writeError(line, error, direction);
  line.end();
}

function writeFacts(line: LogLine, facts: ConnectionFacts): void {
  const { source, destination } = facts;
  line.address('src.addr', formatSocketAddress(source.address));
  line.fields(sourceFields.of(source));
  line.address('dst.addr', formatSocketAddress(destination.address));
  line.address('dst.hbone_addr', facts.hboneAuthority || undefined);
  line.text('dst.service', facts.service?.hostname || undefined);
  line.fields(destinationFields.of(destination));
  line.text('direction', facts.direction);
}

/** Of one end in the two places where it may stand. Ends come again and again, with few identities each. */
class EndFields {
  readonly #side: 'src' | 'dst';
  readonly #known = new WeakMap<object, MadeBefore<string | undefined, LineFields>>();

  constructor(side: 'src' | 'dst') {
    this.#side = side;
  }

  of(end: ConnectionEnd): LineFields {
    const who = end.workload ?? end.claimed ?? nobody;
    let byIdentity = this.#known.get(who);
    if (byIdentity === undefined) {
      byIdentity = new MadeBefore(maxIdentities, (uri) => this.#make(end.workload?.name, labelsOf(end), uri));
      this.#known.set(who, byIdentity);
    }
    return byIdentity.get(end.identity?.uri);
  }

  #make(name: string | undefined, labels: PeerLabels | undefined, identityUri: string | undefined): LineFields {
    const side = this.#side;
    return new LineFields((line) => {
      line.text(`${side}.workload`, name || labels?.canonicalName || undefined);
      line.text(`${side}.namespace`, labels?.namespace || undefined);
      line.text(`${side}.identity`, identityUri);
      line.text(`${side}.cluster`, labels?.cluster || undefined);
    });
  }
}

/** Who is not known. */
const nobody = {};
const maxIdentities = 16;
const sourceFields = new EndFields('src');
const destinationFields = new EndFields('dst');

function writeError(line: LogLine, error: Error, direction: ConnectionFacts['direction']): void {
  line.text('error', errorText(error, direction));
  line.text('code', codeOf(error));
}
