// Ancillary data of sendmsg and recvmsg that carries open descriptors between processes (SCM_RIGHTS).
// Descriptor numbers in, cmsghdr bytes out, and back; foreign control messages are passed over. Source: cmsg(3), unix(7).
import { Buffer } from 'node:buffer';
import { SCM_RIGHTS, SOL_SOCKET } from './linux-constants.ts';

const headerBytes = 16;

/** Room for a message with that many descriptors: CMSG_SPACE. */
export function descriptorRoomBytes(descriptors: number): number {
  return headerBytes + align(descriptors * 4);
}

export function encodeDescriptors(descriptors: readonly number[]): Buffer {
  const control = Buffer.alloc(descriptorRoomBytes(descriptors.length));
  control.writeBigUInt64LE(BigInt(headerBytes + descriptors.length * 4), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, headerBytes + index * 4);
  return control;
}

/** All descriptors in the control data that recvmsg filled. */
export function decodeDescriptors(control: Buffer): number[] {
  const descriptors: number[] = [];
  let offset = 0;
  while (offset + headerBytes <= control.length) {
    const length = Number(control.readBigUInt64LE(offset));
    const end = offset + length;
    if (length < headerBytes || end > control.length) break;
    if (control.readInt32LE(offset + 8) === SOL_SOCKET && control.readInt32LE(offset + 12) === SCM_RIGHTS) {
      for (let at = offset + headerBytes; at + 4 <= end; at += 4) descriptors.push(control.readInt32LE(at));
    }
    offset += align(length);
  }
  return descriptors;
}

function align(bytes: number): number {
  return (bytes + 7) & ~7;
}
