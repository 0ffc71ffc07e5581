// How the mesh gets hold of pods' traffic on this machine, decided from what a trial run of the namespaces showed.
// Exit code and error text of the trial in; the mode, with reason and remedy where it is the lesser one, out.

export type CaptureMode =
  | { readonly kind: 'captured' }
  | { readonly kind: 'explicit'; readonly reason: string; readonly remedy: string };

export type Trial =
  | { readonly kind: 'ended'; readonly code: number | null; readonly errors: string }
  | { readonly kind: 'not-started'; readonly errors: string };

/** Exit codes are the trial's own: 11 and up, so that none is mistaken for one of unshare's. */
export const trialScript = `
command -v ip >/dev/null || exit 11
command -v nft >/dev/null || exit 12
command -v nsenter >/dev/null || exit 13
ip link add ambientd0 type veth peer name ambientd1 || exit 14
printf 'table ip t {\\n chain c {\\n type nat hook output priority -100;\\n meta mark 1 tcp dport 1 redirect to :2\\n }\\n}\\n' | nft -f - || exit 15
echo 1 > /proc/sys/net/ipv4/ip_forward || exit 16
unshare -nmu true || exit 17
`;

export function decideCaptureMode(trial: Trial): CaptureMode {
  if (trial.kind === 'not-started') {
    return explicit('the program unshare is missing', 'install it: apt install util-linux');
  }
  const detail = firstLine(trial.errors);
  switch (trial.code) {
    case 0:
      return { kind: 'captured' };
    case 11:
      return explicit('the program ip is missing', 'install it: apt install iproute2');
    case 12:
      return explicit('the program nft is missing', 'install it: apt install nftables');
    case 13:
      return explicit('the program nsenter is missing', 'install it: apt install util-linux');
    case 14:
      return explicit(`virtual Ethernet links cannot be made (${detail})`, 'load the kernel module: modprobe veth');
    case 15:
      return explicit(
        `nft cannot redirect (${detail})`,
        'load the kernel modules: modprobe nf_tables nft_redir nft_nat',
      );
    case 16:
    case 17:
      return explicit(`a network namespace cannot be used (${detail})`, 'run outside of this container or sandbox');
    default:
      return explicit(
        `user namespaces are refused (${detail})`,
        'allow them: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000, and on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0',
      );
  }
}

function explicit(reason: string, remedy: string): CaptureMode {
  return { kind: 'explicit', reason, remedy };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] || 'no reason given';
}
