// Command line and environment of a container.
import t from 'tap';
import type { PodSpec } from '../../../../deploy/local/materialize/pod-spec.ts';
import { containerCommand } from '../../../../deploy/local/supervisor/container-command.ts';
import { parseImageCommands } from '../../../../deploy/local/supervisor/image-commands.ts';

const pod: PodSpec = {
  key: 'shop/web-1',
  uid: 'u',
  namespace: 'shop',
  name: 'web-1',
  workload: 'web',
  ip: '10.244.0.2',
  serviceAccount: 'seller',
  enrollment: { kind: 'enrolled' },
  network: 'own',
  role: { kind: 'application' },
  restartPolicy: 'Always',
  containers: [],
};
const container = {
  name: 'c',
  image: 'web:1',
  ports: [80, 81],
  env: [
    { kind: 'field', name: 'ME', path: 'status.podIP' },
    { kind: 'value', name: 'URL', value: 'http://$(ME):$(PORT)/$(NOPE)/$$(ME)' },
  ],
  runAsUser: undefined,
} as const;
const echo = { argv: ['node', 'echo'], folder: '/e' };

t.test('names are filled in; what is not known stays', async (t) => {
  const commands = parseImageCommands(
    [{ file: 'f', folder: '/m', text: 'run: { web: [serve, "$(POD_IP):$(PORT)"] }\nenv: { FROM: "$(POD_NAME)" }' }],
    [],
    '.',
  );
  const command = containerCommand(pod, container, commands, echo, 'node-a');
  t.match(command, { kind: 'program', folder: '/m', argv: ['serve', '10.244.0.2:80'] });
  t.match(command.env, {
    URL: 'http://10.244.0.2:80/$(NOPE)/$(ME)',
    FROM: 'web-1',
    POD_NAMESPACE: 'shop',
    SERVICE_ACCOUNT: 'seller',
    NODE_NAME: 'node-a',
    PORTS: '80,81',
  });
});

t.test('without a command it is the echo', async (t) => {
  const command = containerCommand(pod, container, parseImageCommands([], [], '.'), echo, 'node-a');
  t.match(command, { kind: 'echo', argv: ['node', 'echo'], folder: '/e', env: { PORTS: '80,81' } });
});
