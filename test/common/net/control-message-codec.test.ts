import t from 'tap';
import {
  decodeDescriptors,
  descriptorRoomBytes,
  encodeDescriptors,
} from '../../../common/net/control-message-codec.ts';
import { randomFrom } from '../../support/random-from.ts';

t.test('descriptors byte by byte', async (t) => {
  t.equal(
    encodeDescriptors([5]).toString('hex'),
    '1400000000000000' + '01000000' + '01000000' + '05000000' + '00000000',
    'length without padding, SOL_SOCKET, SCM_RIGHTS, the number, padding to 8 bytes',
  );
  t.equal(descriptorRoomBytes(1), 24);
  t.equal(descriptorRoomBytes(2), 24);
  t.equal(descriptorRoomBytes(3), 32);
});

t.test('several messages and messages of another kind', async (t) => {
  const foreign = encodeDescriptors([99]);
  foreign.writeInt32LE(2, 12);
  const control = Buffer.concat([encodeDescriptors([3]), foreign, encodeDescriptors([4, 5, 6])]);
  t.same(decodeDescriptors(control), [3, 4, 5, 6]);
});

t.test('descriptors come back as they went', async (t) => {
  const random = randomFrom(3);
  for (let i = 0; i < 200; i++) {
    const given = Array.from({ length: Math.floor(random() * 9) }, () => Math.floor(random() * 70000));
    t.same(decodeDescriptors(encodeDescriptors(given)), given);
  }
});

t.test('bytes that are cut or lie about their length end the list', async (t) => {
  const whole = encodeDescriptors([1, 2]);
  for (let size = 0; size < whole.length; size++) t.same(decodeDescriptors(whole.subarray(0, size)), []);
  const lying = encodeDescriptors([1]);
  lying.writeBigUInt64LE(2n ** 63n, 0);
  t.same(decodeDescriptors(lying), []);
  lying.writeBigUInt64LE(0n, 0);
  t.same(decodeDescriptors(lying), []);
});
