// What a running mesh says about itself: the shape of the gate's /status.json, and the text that people read.
// Status in, lines out; pure.

export interface MeshStatus {
  readonly mesh: string;
  readonly version: string;
  readonly mode: 'captured' | 'explicit';
  /** In explicit mode: what is missing, and what would help. */
  readonly modeReason: string;
  readonly modeRemedy: string;
  readonly trustDomain: string;
  readonly gateUrl: string;
  readonly pods: readonly PodStatus[];
  readonly waypoints: readonly WaypointStatus[];
  readonly ztunnel: { readonly state: string; readonly metricsUrl: string; readonly adminUrl: string };
  readonly prometheusUrl: string;
  readonly logFolder: string;
  readonly problems: readonly string[];
}

export interface PodStatus {
  readonly namespace: string;
  readonly name: string;
  readonly workload: string;
  readonly address: string;
  readonly identity: string;
  readonly enrolled: boolean;
  /** Why it is not. */
  readonly notEnrolledReason: string;
  readonly state: string;
  readonly role: 'application' | 'waypoint';
  readonly containers: readonly {
    readonly name: string;
    readonly runs: 'program' | 'echo';
    readonly restarts: number;
  }[];
  /** Process that holds its namespaces, numbered as inside the mesh; 0 where there are none. */
  readonly sandboxPid: number;
  /** What `exec` needs: the pod's environment, proxy settings included in explicit mode. */
  readonly env: Readonly<Record<string, string>>;
}

export interface WaypointStatus {
  readonly namespace: string;
  readonly gateway: string;
  readonly pod: string;
  readonly address: string;
  readonly state: string;
  readonly metricsUrl: string;
}

export function describeMesh(status: MeshStatus): readonly string[] {
  const applications = status.pods.filter((pod) => pod.role === 'application');
  const rows = applications.map((pod) => [
    `${pod.namespace}/${pod.name}`,
    pod.address,
    pod.enrolled ? 'enrolled' : `plain (${pod.notEnrolledReason})`,
    pod.state,
    pod.identity,
  ]);
  const waypoints = status.waypoints.map((each) => [
    `${each.namespace}/${each.gateway}`,
    each.address,
    each.state,
    each.metricsUrl,
  ]);
  return [
    `mesh ${status.mesh}, ${describeMode(status)}`,
    '',
    ...table(['POD', 'ADDRESS', 'IN THE MESH', 'STATE', 'IDENTITY'], rows),
    ...(waypoints.length === 0 ? [] : ['', ...table(['WAYPOINT', 'ADDRESS', 'STATE', 'METRICS'], waypoints)]),
    '',
    ...describeUrls(status),
    ...(status.problems.length === 0 ? [] : ['', 'Problems:', ...status.problems.map((problem) => `  ${problem}`)]),
  ];
}

export function describeMode(status: Pick<MeshStatus, 'mode' | 'modeReason' | 'modeRemedy'>): string {
  if (status.mode === 'captured') return "traffic captured in each pod's own network namespace";
  return `explicit: ${status.modeReason}, so nothing is captured and pods reach the mesh through SOCKS5 and HTTP proxy entries; to capture, ${status.modeRemedy}`;
}

export function describeUrls(status: MeshStatus): readonly string[] {
  return [
    `ztunnel    ${status.ztunnel.state}, metrics ${status.ztunnel.metricsUrl}, admin ${status.ztunnel.adminUrl}`,
    `overview   ${status.gateUrl}`,
    `Prometheus http_sd_configs url ${status.prometheusUrl}`,
    `logs       ${status.logFolder}`,
  ];
}

/** Names are cut to no less than this. */
const narrowestCell = 8;

/** Columns as wide as their widest cell; the last one as long as it is. The widest give way where lines would pass `columns`. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): readonly string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const gap = '  ';
  const room = columns - gap.length * (header.length - 1);
  while (sumOf(widths) > room) {
    const widest = Math.max(...widths);
    if (widest <= narrowestCell) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return [header, ...rows].map((row) =>
    row
      .map((cell, column) => {
        const shown = fitText(cell, widths[column] ?? 0);
        return column === row.length - 1 ? shown : shown.padEnd(widths[column] ?? 0);
      })
      .join(gap),
  );
}

export function fitText(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

export type PodChoice =
  | { readonly kind: 'pod'; readonly pod: PodStatus }
  | { readonly kind: 'none'; readonly message: string };

/** A pod by its name, or the first pod of the workload of that name. */
export function choosePod(status: MeshStatus, namespace: string, name: string): PodChoice {
  const pods = status.pods.filter((pod) => pod.role === 'application');
  const here = pods.filter((pod) => pod.namespace === namespace);
  const pod = here.find((each) => each.name === name) ?? here.find((each) => each.workload === name);
  if (pod !== undefined) return { kind: 'pod', pod };
  const candidates = (here.length > 0 ? here : pods).map((each) => `${each.namespace}/${each.name}`);
  const listed = candidates.length === 0 ? 'the mesh has no pods' : `there are ${candidates.join(', ')}`;
  return { kind: 'none', message: `no pod ${namespace}/${name}: ${listed}` };
}
