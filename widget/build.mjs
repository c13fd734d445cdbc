// Builds the workplace's page and weighs what a browser loads before the page is there: the scripts with one language, and
// the style. Above the budget it fails and writes no sizes, so that make builds again.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const dist = join(here, 'dist')
const budget = JSON.parse(readFileSync(join(here, 'budget.json'), 'utf8'))
mkdirSync(dist, { recursive: true })
for (const name of readdirSync(dist)) {
  if (/\.(js|css|json)$/.test(name)) rmSync(join(dist, name)) // what other builds put beside stays
}

const { metafile } = await build({
  metafile: true,
  entryPoints: { app: join(here, 'src', 'app.tsx') },
  outdir: dist,
  bundle: true,
  splitting: true, // languages, and the choices that few open, come when they are wanted
  chunkNames: '[name]-[hash]',
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  jsx: 'automatic',
  jsxImportSource: 'preact',
})

await build({
  entryPoints: [join(here, 'src', 'style.css')],
  outfile: join(dist, 'app.css'),
  minify: true,
  logLevel: 'warning',
})

const weigh = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length
const outputs = Object.keys(metafile.outputs).map((path) => ({ path, name: path.split('/').pop() }))
const app = outputs.find(({ name }) => name === 'app.js')
const statics = metafile.outputs[app.path].imports
  .filter(({ kind }) => kind === 'import-statement')
  .map(({ path }) => path.split('/').pop())
const words = (locale) => outputs.find(({ name }) => name.startsWith(`words.${locale}-`)).name
/** What a page loads at once, so that the server can say so in the first answer. */
const preload = { ru: [...statics, words('ru')], en: [...statics, words('en')] }
const sum = (names) => names.reduce((total, name) => total + weigh(name), 0)
const sizes = {
  script: weigh('app.js') + Math.max(sum(preload.ru), sum(preload.en)),
  style: weigh('app.css'),
}
let over = false
for (const [name, most] of Object.entries(budget)) {
  const mark = sizes[name] > most ? 'OVER' : 'ok'
  over = over || mark === 'OVER'
  console.log(`workplace ${name.padEnd(6)}  gzip   ${String(sizes[name]).padStart(6)} B  of ${most}  ${mark}`)
}
if (over) {
  console.error('the workplace is over its budget (widget/budget.json)')
  process.exit(1)
}
writeFileSync(join(dist, 'meta.json'), JSON.stringify({ sizes, preload }, null, 2))
