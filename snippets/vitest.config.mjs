import { defineConfig } from 'vitest/config'

export default defineConfig({
  // What the build and the server put in (build.mjs, templates/snippet.js.j2).
  define: {
    __SCRIPT__: '"test/0"',
    yclickConfig: JSON.stringify({
      endpoint: 'http://collector.test/c?k=k',
      form_hosts: [],
      consent: 'granted',
      gpc: 'respect',
      visit_timeout_s: 1800,
      debug: false,
    }),
  },
  test: { environment: 'happy-dom', include: ['test/**/*.test.ts'] },
})
