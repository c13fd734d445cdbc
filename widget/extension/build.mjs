// Builds the extension unpacked into widget/dist/extension, without the addresses of a server: `yclick extension` and
// the cabinet put those in and pack it. Nothing of it is loaded from elsewhere, and the same source gives the same files.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const dist = join(here, '..', 'dist', 'extension')
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist, { recursive: true })
await build({
  entryPoints: ['background', 'cabinet', 'workplace', 'screens', 'dock'].map((name) =>
    join(here, 'src', `${name}.ts`),
  ),
  outdir: dist,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'chrome128',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
})
cpSync(join(here, 'static'), dist, { recursive: true })
const manifest = JSON.parse(readFileSync(join(here, 'manifest.json'), 'utf8'))
writeFileSync(join(dist, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
