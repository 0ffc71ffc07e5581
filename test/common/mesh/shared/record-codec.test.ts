import t from 'tap';
import { MeshError } from '../../../../common/errors.ts';
import { RecordReader } from '../../../../common/mesh/shared/record-reader.ts';
import { RecordWriter } from '../../../../common/mesh/shared/record-writer.ts';
import { readService, writeService } from '../../../../common/mesh/shared/service-codec.ts';
import { readWorkload, writeWorkload } from '../../../../common/mesh/shared/workload-codec.ts';
import { randomFrom } from '../../../support/random-from.ts';
import { randomMesh } from '../../../support/random-mesh.ts';

/** Shared texts by slot, as the memory would hold them. */
function codec() {
  const texts: string[] = [];
  const writer = new RecordWriter((text) => texts.push(text) - 1);
  const reader = new RecordReader();
  return {
    encode<T>(value: T, write: (writer: RecordWriter, value: T) => void): Buffer {
      writer.begin();
      write(writer, value);
      return Buffer.from(writer.finish());
    },
    decode<T>(bytes: Buffer, read: (reader: RecordReader) => T): T {
      reader.open(bytes, 0, bytes.length, (slot) => texts[slot] ?? '');
      return read(reader);
    },
    slotsOf(bytes: Buffer): readonly string[] {
      reader.open(bytes, 0, bytes.length, () => '');
      return reader.sharedSlots().map((slot) => texts[slot] ?? 'none');
    },
  };
}

t.test('what is written is read again, whatever the fields hold', (t) => {
  const { encode, decode } = codec();
  const random = randomMesh(randomFrom(3));
  for (let count = 0; count < 2_000; count++) {
    const [workload, service] = [random.workload(), random.service()];
    t.same(decode(encode(workload, writeWorkload), readWorkload), workload);
    t.same(decode(encode(service, writeService), readService), service);
  }
  t.end();
});

t.test('numbers, addresses and texts are read at the ends of their ranges', (t) => {
  const { encode, decode } = codec();
  const long = 'ü'.repeat(100_000);
  for (const value of [0, 127, 128, 16_383, 16_384, 0xffff_ffff]) {
    t.equal(
      decode(
        encode(value, (writer, number) => writer.number(number)),
        (reader) => reader.number(),
      ),
      value,
    );
  }
  for (const text of ['', 'a', 'ü', '\u{1f600}', long]) {
    t.equal(
      decode(
        encode(text, (writer, value) => writer.text(value)),
        (reader) => reader.text(),
      ),
      text,
    );
  }
  t.end();
});

t.test('a record tells which shared texts it names, each as often as it does', (t) => {
  const { encode, slotsOf } = codec();
  const record = encode(['a', 'b', 'a'], (writer, texts) => writer.list(texts, (text) => writer.shared(text)));
  t.same(slotsOf(record), ['a', 'b', 'a']);
  t.end();
});

t.test('bytes that are cut off or changed end the reading at once, with an error or a value', (t) => {
  const { encode, decode } = codec();
  const random = randomFrom(9);
  const mesh = randomMesh(random);
  let refused = 0;
  const attempt = (bytes: Buffer): void => {
    try {
      decode(bytes, readWorkload);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      refused += 1;
    }
  };
  for (let count = 0; count < 200; count++) {
    const bytes = encode(mesh.workload(), writeWorkload);
    for (let length = 0; length < bytes.length; length++) attempt(bytes.subarray(0, length));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = Math.floor(random() * 256);
      attempt(changed);
    }
  }
  t.ok(refused > 1_000, `${refused} refused`);
  t.end();
});
