// Streams that get little, again and again, beside those that get much.
import t from 'tap';
import { MessageStreams, newStreamRounds } from '../../../common/http2/message-streams.ts';

const little = 32 * 1024;
const much = little + 1;

t.test('a stream that gets little in a third round is one of messages', async (t) => {
  const streams = new MessageStreams();
  const [bulk, message] = [newStreamRounds(), newStreamRounds()];
  const found = Array.from({ length: 4 }, () => {
    streams.count(bulk, 256 * 1024);
    streams.count(message, 1_000);
    streams.count(message, 1_000);
    return streams.endRound();
  });
  t.same(found, ['none', 'none', 'some', 'some']);
  t.equal(streams.endRound(), 'none', 'a round without bytes');
  streams.count(message, 1_000);
  t.equal(streams.endRound(), 'some', 'and messages that come again later');
});

t.test('bulk that begins is no message', async (t) => {
  const streams = new MessageStreams();
  const streamsOfRound = Array.from({ length: 8 }, newStreamRounds);
  for (const bytes of [1, 1_000, much, much, 10]) {
    for (const stream of streamsOfRound) streams.count(stream, bytes);
    t.equal(streams.endRound(), 'none');
  }
});

t.test('a stream that ends having had little was a message, one that had much was none', async (t) => {
  const streams = new MessageStreams();
  const [message, bulk, silent] = [newStreamRounds(), newStreamRounds(), newStreamRounds()];
  streams.count(message, 1_000);
  streams.end(message);
  t.equal(streams.endRound(), 'some');
  streams.count(bulk, much);
  streams.end(bulk);
  streams.end(silent);
  t.equal(streams.endRound(), 'none');
});

t.test('little after little is much', async (t) => {
  const streams = new MessageStreams();
  const stream = newStreamRounds();
  for (let round = 0; round < 5; round += 1) {
    for (let bytes = 0; bytes <= little; bytes += 1_024) streams.count(stream, 1_024);
    t.equal(streams.endRound(), 'none');
  }
});

t.test('bulk that gets the rest of a round stays bulk, and is none any more after 64 rounds', async (t) => {
  const streams = new MessageStreams();
  const bulk = newStreamRounds();
  streams.count(bulk, much);
  streams.endRound();
  for (let round = 0; round < 64; round += 1) {
    streams.count(bulk, 10);
    t.equal(streams.endRound(), 'none');
  }
  const found = [1, 2, 3].map(() => {
    streams.count(bulk, 10);
    return streams.endRound();
  });
  t.equal(found.at(-1), 'some');
});
