// The X.509 library, loaded after the metadata functions without which it refuses to load. Import it from here only.
import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';

export { x509 };
