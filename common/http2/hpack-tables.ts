// The tables of HPACK (RFC 7541 §2.3, Appendix A): 61 fixed entries, then what the encoder on the other side has added.
// In: an index or a new entry. Out: the entry. The dynamic table's size is bounded by what we announced.

export type HeaderField = readonly [name: string, value: string];

const statics =
  ':authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|' +
  ':status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|' +
  'accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|' +
  'content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|' +
  'cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|' +
  'last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|' +
  'server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate';

export const staticTable: readonly HeaderField[] = statics.split('|').map((entry) => {
  const space = entry.indexOf(' ');
  return space < 0 ? [entry, ''] : [entry.slice(0, space), entry.slice(space + 1)];
});

/** Size that counts against tables and header lists (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export function fieldSizeBytes([name, value]: HeaderField): number {
  return name.length + value.length + 32;
}

export class DynamicTable {
  private readonly limitBytes: number;
  private maxBytes: number;
  private sizeBytes = 0;
  /** Newest first. */
  private readonly entries: HeaderField[] = [];

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
    this.maxBytes = limitBytes;
  }

  /** @param index as on the wire: 1 to 61 are fixed, 62 is the newest addition */
  get(index: number): HeaderField | undefined {
    return index <= staticTable.length ? staticTable[index - 1] : this.entries[index - staticTable.length - 1];
  }

  add(field: HeaderField): void {
    this.entries.unshift(field);
    this.sizeBytes += fieldSizeBytes(field);
    this.evict();
  }

  resize(maxBytes: number): 'resized' | 'too-large' {
    if (maxBytes > this.limitBytes) return 'too-large';
    this.maxBytes = maxBytes;
    this.evict();
    return 'resized';
  }

  private evict(): void {
    while (this.sizeBytes > this.maxBytes) {
      const oldest = this.entries.pop();
      if (!oldest) break;
      this.sizeBytes -= fieldSizeBytes(oldest);
    }
  }
}
