// Somebody who looks at a page again and again, until ended: the page as argument. Environment in (http_proxy).
import { createJsonClient } from '../json-client.ts';

const getJson = createJsonClient(process.env['http_proxy']);
const [page = ''] = process.argv.slice(2);
const pauseMs = 500;

for (;;) {
  try {
    process.stdout.write(`${(await getJson(page)).status} ${page}\n`);
  } catch (error) {
    process.stdout.write(`${page}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  await new Promise((settle) => setTimeout(settle, pauseMs));
}
