// Reading the kernel's table of sockets.
import t from 'tap';
import { isListening, parseListeningPorts } from '../../../../deploy/local/supervisor/listening-ports.ts';

const text = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0200F40A:26AA 00000000:0000 0A 00000000:00000000
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000
   2: 0200F40A:0050 0300F40A:D431 01 00000000:00000000
   3: 00000000000000000000000000000000:3A9E 00000000000000000000000000000000:0000 0A 0
`;

t.test('listening sockets only, by address and port', async (t) => {
  const open = parseListeningPorts(text);
  t.same(open, [
    { ip: '10.244.0.2', port: 9898 },
    { ip: '', port: 8080 },
    { ip: '', port: 15006 },
  ]);
  t.ok(isListening(open, '10.244.0.2', 9898));
  t.notOk(isListening(open, '10.244.0.3', 9898));
  t.ok(isListening(open, '10.244.0.3', 8080));
  t.notOk(isListening(open, '10.244.0.2', 80));
});
