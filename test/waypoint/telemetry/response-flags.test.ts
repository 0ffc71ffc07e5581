import t from 'tap';
import { flagsBits, flagsText } from '../../../waypoint/telemetry/response-flags.ts';

t.test('flags are written in the order of their bits', async (t) => {
  t.equal(flagsText([]), '-');
  t.equal(flagsText(['UF']), 'UF');
  t.equal(flagsText(['DC', 'UH']), 'UH,DC');
});

t.test('flags are bits for expressions', async (t) => {
  t.equal(flagsBits([]), 0n);
  t.equal(flagsBits(['UH']), 2n);
  t.equal(flagsBits(['UF', 'DC']), (1n << 5n) | (1n << 14n));
});
