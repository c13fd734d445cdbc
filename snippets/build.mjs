// Builds both scripts and writes their sizes. Above the budget it fails and writes none, so that make builds again.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const { version } = JSON.parse(readFileSync(join(here, 'version.json'), 'utf8'))
const budget = JSON.parse(readFileSync(join(here, 'budget.json'), 'utf8'))
mkdirSync(join(here, 'dist'), { recursive: true })

const sizes = {}
let over = false
for (const name of ['site', 'form']) {
  const outfile = join(here, 'dist', `${name}.js`)
  await build({
    entryPoints: [join(here, 'src', `${name}.ts`)],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm', // the page's template wraps it in a function
    banner: { js: '"use strict";try{' },
    footer: { js: '}catch(e){}' },
    target: 'es2017',
    charset: 'ascii',
    legalComments: 'none',
    logLevel: 'warning',
    define: { __SCRIPT__: JSON.stringify(`${name}/${version}`) },
  })
  const code = readFileSync(outfile)
  const brotli = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length
  sizes[name] = { min: code.length, gzip: gzipSync(code, { level: 9 }).length, brotli }
  for (const kind of Object.keys(budget[name])) {
    const most = budget[name][kind]
    const mark = sizes[name][kind] > most ? 'OVER' : 'ok'
    over = over || mark === 'OVER'
    console.log(
      `${name}.js  ${kind.padEnd(6)} ${String(sizes[name][kind]).padStart(6)} B  of ${most}  ${mark}`,
    )
  }
}
if (over) {
  console.error('a script is over its budget (snippets/budget.json)')
  process.exit(1)
}
writeFileSync(join(here, 'dist', 'meta.json'), JSON.stringify({ version, sizes }, null, 2))
