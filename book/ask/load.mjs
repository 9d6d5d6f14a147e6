/* Makes the data directory that the page's PostgreSQL starts from: node load.mjs PACKAGE DUMP DIRECTORY.
   Of the dump, everything; of the server's own, what one session in one database needs. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [dist, dump, directory] = process.argv.slice(2);
const { PGlite } = await import(pathToFileURL(`${dist}/index.js`));
const { btree_gist } = await import(pathToFileURL(`${dist}/contrib/btree_gist.js`));

// Segments of one megabyte: the log of a server that was stopped is the one it ends in.
const server = await PGlite.create({
  dataDir: directory,
  extensions: { btree_gist },
  initDbStartParams: ["--wal-segsize=1", "--no-sync"],
});
await server.exec("CREATE ROLE medallion SUPERUSER; CREATE ROLE medallion_notebook");
await server.exec(readFileSync(dump, "utf8"));
await server.exec("UPDATE pg_database SET datistemplate = false");
for (const name of ["template0", "template1"]) await server.exec(`DROP DATABASE ${name}`);
// A page may load 8 MB: neither what describes the server's own, nor collations, which need ICU, nor
// more samples for the planner than it needs, and none of bronze or the catalog.
await server.exec("DELETE FROM pg_description WHERE objoid < 16384");
await server.exec("DELETE FROM pg_collation WHERE collprovider = 'i'");
await server.exec("SET default_statistics_target = 10; ANALYZE");
await server.exec(`DELETE FROM pg_statistic USING pg_class WHERE oid = starelid
  AND relnamespace IN ('pg_catalog'::regnamespace, 'bronze'::regnamespace)`);
await server.exec("VACUUM (FULL, FREEZE)");
await server.exec("VACUUM (FREEZE)"); // the visibility maps that FULL does away with
await server.exec("CHECKPOINT");
await server.close();
