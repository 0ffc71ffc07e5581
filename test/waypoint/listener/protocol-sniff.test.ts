import t from 'tap';
import { protocolAfterSilence, sniffProtocol } from '../../../waypoint/listener/protocol-sniff.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const sniff = (text: string): string => sniffProtocol('unknown', Buffer.from(text, 'latin1'));

t.test('an undeclared port is told by its first bytes', async (t) => {
  t.equal(sniff('GET / HTTP/1.1\r\n'), 'http1');
  t.equal(sniff('OPTIONS * HTTP/1.1'), 'http1');
  t.equal(sniff('M-SEARCH http://a/ HTTP/1.1'), 'http1');
  t.equal(sniff(`${preface}\0\0`), 'http2');
  t.equal(sniff('\x16\x03\x01\x02\0'), 'opaque', 'TLS');
  t.equal(sniff('SSH-2.0-OpenSSH'), 'opaque');
  t.equal(sniff('*3\r\n$3\r\nSET'), 'opaque', 'Redis');
  t.equal(sniff('get lower case'), 'opaque');
  t.equal(sniff('A'.repeat(40)), 'opaque', 'no method is that long');
});

t.test('a decision waits for as many bytes as it needs, byte by byte', async (t) => {
  for (let length = 1; length < 5; length += 1) t.equal(sniff('GET /'.slice(0, length)), 'more', `${length} of GET /`);
  t.equal(sniff('GET /'), 'http1');
  for (let length = 1; length < preface.length; length += 1) t.equal(sniff(preface.slice(0, length)), 'more');
  t.equal(sniff(`${preface.slice(0, 10)}x`), 'http1', 'a method PRI that is no preface is for the parser to refuse');
});

t.test('a declared port is what it declares', async (t) => {
  t.equal(sniffProtocol('tcp', Buffer.from('GET / HTTP/1.1')), 'opaque');
  t.equal(sniffProtocol('tls', Buffer.alloc(0)), 'opaque');
  t.equal(sniffProtocol('http11', Buffer.from('\x16\x03')), 'http1');
  t.equal(sniffProtocol('grpc', Buffer.from(preface)), 'http2');
  t.equal(sniffProtocol('http11', Buffer.from(preface)), 'http2', 'in either version');
});

t.test('silence means a server that speaks first, unless the port declares HTTP', async (t) => {
  t.equal(protocolAfterSilence('unknown'), 'opaque');
  t.equal(protocolAfterSilence('http2'), 'wait');
});
