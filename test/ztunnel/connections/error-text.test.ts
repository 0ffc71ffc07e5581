// The error of an access log line by value: ztunnel's words before ours, by direction.
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import { connectFailure, connectTimeout } from '../../../common/net/socket-failure.ts';
import { errorText } from '../../../ztunnel/connections/error-text.ts';

const osError = (code: string): Error => Object.assign(new Error(code), { code });

t.test('a refused connection is told in the words of the operating system, by the side that dialled', async (t) => {
  const error = connectFailure('10.0.0.2:80', osError('ECONNREFUSED'));
  const own = 'connecting to 10.0.0.2:80 failed: nothing listens there (ECONNREFUSED)';
  t.equal(errorText(error, 'inbound'), `connection failed: Connection refused (os error 111): ${own}`);
  t.equal(errorText(error, 'outbound'), `io error: Connection refused (os error 111): ${own}`);
});

t.test('an error that has no name of its own there keeps its text', async (t) => {
  t.match(errorText(connectFailure('10.0.0.2:80', osError('EODD')), 'inbound'), /^io error: connecting to/);
});

t.test('a wait that is over is told as such', async (t) => {
  t.match(errorText(connectTimeout('10.0.0.2:80', 10_000), 'inbound'), /^connection failed: deadline has elapsed: /);
});

t.test('a failed handshake is told by its direction', async (t) => {
  const error = new MeshError('TLS_FAILED', 'the peer speaks plain HTTP');
  t.equal(errorText(error, 'inbound'), 'tls handshake error: the peer speaks plain HTTP');
  t.equal(errorText(error, 'outbound'), 'io error: the peer speaks plain HTTP');
});

t.test('a revoked certificate is told by its direction at a handshake, and by its own words later', async (t) => {
  const refused = new MeshError('CERTIFICATE_REVOKED', 'invalid peer certificate: Revoked: 10.0.0.2:15008 …');
  t.match(errorText(refused, 'inbound'), /^tls handshake error: invalid peer certificate: Revoked: /);
  t.match(errorText(refused, 'outbound'), /^io error: invalid peer certificate: Revoked: /);
  const text = 'connection closed: peer certificate revoked by CRL: 10.0.0.2:15008 …';
  t.equal(errorText(new MeshError('CERTIFICATE_REVOKED', text), 'outbound'), text);
});

t.test('words that stand there already are not said twice', async (t) => {
  const text = 'connection closed due to connection drain: shop/web is no longer served here';
  t.equal(errorText(new MeshError('DRAINED', text), 'inbound'), text);
  t.match(
    errorText(new MeshError('DRAINED', 'it was not sent'), 'outbound'),
    /^connection closed due to connection drain: it/,
  );
});

t.test('every other text stands as it is', async (t) => {
  const denied = 'connection closed due to policy rejection: explicitly denied by: shop/no';
  t.equal(errorText(new MeshError('AUTHORIZATION_DENIED', denied), 'inbound'), denied);
  t.equal(errorText(new Error('anything'), 'inbound'), 'anything');
});
