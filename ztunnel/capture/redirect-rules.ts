// The rules that send a pod's TCP traffic through ztunnel's listeners in its namespace: options in, nftables text and
// `ip` commands out, the same tables, chains and marks as Istio's CNI agent. Source: istio-control.md §2.2, §2.4.

export interface RedirectOptions {
  /** 'off' leaves out the route and rule of IPv6, for namespaces where it is disabled. */
  readonly ipv6: 'on' | 'off';
  /** 'bypass' leaves inbound connections alone: the annotation ambient.istio.io/bypass-inbound-capture (ingress mode). */
  readonly inbound: 'capture' | 'bypass';
  /** 'capture' sends DNS queries to 15053, where ztunnel must answer then. */
  readonly dns: 'capture' | 'off';
  /** Interfaces behind which virtual machines send: the annotation istio.io/reroute-virtual-interfaces. */
  readonly virtualInterfaces: readonly string[];
}

export const defaultRedirect: RedirectOptions = {
  ipv6: 'on',
  inbound: 'capture',
  dns: 'off',
  virtualInterfaces: [],
};

export const capturePorts = { outbound: 15001, inboundPlaintext: 15006, hbone: 15008, dns: 15053 } as const;

/** SO_MARK of ztunnel's own sockets: never redirected. */
export const ztunnelMark = 0x539;
/** Connection mark of what ztunnel opens towards the application, so that the answers find its transparent socket. */
const returnMark = '0x111';
/** The kubelet's probes come from here; they are let through so that they do not need an identity. */
export const probeAddresses = { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' } as const;

const routeTable = '100';
const rulePriority = '32764';
const fromZtunnel = `meta mark & 0xfff == 0x${ztunnelMark.toString(16)}`;
const notFromZtunnel = `meta mark & 0xfff != 0x${ztunnelMark.toString(16)}`;
const tableNames = { nat: 'istio-ambient-nat', mangle: 'istio-ambient-mangle', raw: 'istio-ambient-raw' } as const;

/** An interface name the kernel accepts (IFNAMSIZ, no slash, no blank) and nft takes between quotes. */
export function isInterfaceName(name: string): boolean {
  return /^[A-Za-z0-9_.:@-]{1,15}$/.test(name);
}

/**
 * For `nft -f -`; one transaction, and applying it again changes nothing.
 * @throws RangeError on a virtual interface that `isInterfaceName` refuses
 */
export function redirectRuleset(options: RedirectOptions = defaultRedirect): string {
  const bad = options.virtualInterfaces.find((name) => !isInterfaceName(name));
  if (bad !== undefined) throw new RangeError(`"${bad}" is no name of a network interface`);
  const tables = [natTable(options), mangleTable()];
  if (options.dns === 'capture') tables.push(rawTable());
  return tables.join('');
}

/** For `nft -f -`: takes away what `redirectRuleset` made, whatever its options were. */
export function redirectRemoval(): string {
  return Object.values(tableNames)
    .map((name) => `add table inet ${name}\ndelete table inet ${name}\n`)
    .join('');
}

/** Commands that make the answers to preserved client addresses come back to ztunnel's sockets; for an empty namespace. */
export function redirectRoutes(
  options: Pick<RedirectOptions, 'ipv6'> = defaultRedirect,
): readonly (readonly string[])[] {
  const family = (flag: string, everywhere: string): string[][] => [
    ['ip', flag, 'rule', 'add', ...returnRule],
    ['ip', flag, 'route', 'replace', 'local', everywhere, 'dev', 'lo', 'table', routeTable],
  ];
  return options.ipv6 === 'on' ? [...family('-4', '0.0.0.0/0'), ...family('-6', '::/0')] : family('-4', '0.0.0.0/0');
}

/** Takes away what `redirectRoutes` made. */
export function redirectRoutesRemoval(
  options: Pick<RedirectOptions, 'ipv6'> = defaultRedirect,
): readonly (readonly string[])[] {
  const families = options.ipv6 === 'on' ? ['-4', '-6'] : ['-4'];
  return families.flatMap((flag) => [
    ['ip', flag, 'rule', 'del', ...returnRule],
    ['ip', flag, 'route', 'flush', 'table', routeTable],
  ]);
}

const returnRule = ['fwmark', `${returnMark}/0xfff`, 'pref', rulePriority, 'lookup', routeTable];

function natTable({ inbound, dns, virtualInterfaces }: RedirectOptions): string {
  const prerouting = virtualInterfaces.flatMap((name) => [
    `iifname "${name}" meta l4proto tcp counter redirect to :${capturePorts.outbound}`,
    `iifname "${name}" meta l4proto tcp counter return`,
  ]);
  if (inbound === 'capture') {
    prerouting.push(
      `meta l4proto tcp ip saddr ${probeAddresses.v4} counter accept`,
      `meta l4proto tcp ip6 saddr ${probeAddresses.v6} counter accept`,
      ...notLoopback(
        `tcp dport != ${capturePorts.hbone} ${notFromZtunnel} counter redirect to :${capturePorts.inboundPlaintext}`,
      ),
    );
  }
  const output = [
    `meta l4proto tcp ip daddr ${probeAddresses.v4} counter accept`,
    `meta l4proto tcp ip6 daddr ${probeAddresses.v6} counter accept`,
  ];
  if (dns === 'capture') {
    output.push(
      `oifname != "lo" ${notFromZtunnel} udp dport 53 counter redirect to :${capturePorts.dns}`,
      ...notLoopback(`tcp dport 53 ${notFromZtunnel} counter redirect to :${capturePorts.dns}`),
    );
  }
  output.push(
    `meta l4proto tcp meta mark & 0xfff == ${returnMark} counter accept`,
    ...notLoopback('oifname "lo" counter accept'),
    ...notLoopback(`meta l4proto tcp ${notFromZtunnel} counter redirect to :${capturePorts.outbound}`),
  );
  return table(tableNames.nat, 'nat', 'nat', -100, prerouting, output);
}

function mangleTable(): string {
  return table(
    tableNames.mangle,
    'filter',
    // A chain of type route looks the route up again after the mark has changed; otherwise table 100 is not asked.
    'route',
    -150,
    [`${fromZtunnel} counter ct mark set ct mark & 0xfffff000 | ${returnMark}`],
    [`ct mark & 0xfff == ${returnMark} counter meta mark set ct mark`],
  );
}

/** Keeps ztunnel's own queries apart from the redirected ones, which may have the same addresses and ports. */
function rawTable(): string {
  return table(
    tableNames.raw,
    'filter',
    'filter',
    -300,
    [`udp sport 53 ${notFromZtunnel} counter ct zone set 1`],
    [`udp dport 53 ${fromZtunnel} counter ct zone set 1`],
  );
}

function notLoopback(rest: string): string[] {
  return [`ip daddr != 127.0.0.1/32 ${rest}`, `ip6 daddr != ::1/128 ${rest}`];
}

function table(
  name: string,
  preroutingType: string,
  outputType: string,
  priority: number,
  prerouting: readonly string[],
  output: readonly string[],
): string {
  const body = (rules: readonly string[]): string => rules.map((rule) => `    ${rule}\n`).join('');
  return `add table inet ${name}
delete table inet ${name}
table inet ${name} {
  chain prerouting {
    type ${preroutingType} hook prerouting priority ${priority}; policy accept;
    jump istio-prerouting
  }
  chain output {
    type ${outputType} hook output priority ${priority}; policy accept;
    jump istio-output
  }
  chain istio-prerouting {
${body(prerouting)}  }
  chain istio-output {
${body(output)}  }
}
`;
}
