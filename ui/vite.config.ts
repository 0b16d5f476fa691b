import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const server = process.env.MOLECULE_DEV_SERVER ?? 'http://127.0.0.1:8080';

/** Everything the page asks for that is not one of its own files. */
const api = [
  '/workspaces', '/settings', '/secrets', '/templates', '/org', '/orgs', '/approvals', '/registry',
  '/canvas', '/app', '/launch', '/health', '/buildinfo', '/models', '/events', '/activity', '/bundles', '/admin',
];

/** Puts the script of /docs beside the canvas, so that the reference is drawn without a network. */
function reference(): Plugin {
  const script = new URL('./node_modules/@scalar/api-reference/dist/browser/standalone.js', import.meta.url);
  return {
    name: 'reference',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'docs/scalar.js', source: readFileSync(script) });
    },
  };
}

export default defineConfig({
  plugins: [react(), tailwindcss(), reference()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: ['es2022', 'chrome111', 'safari16.4'],
    // Nothing is inlined as data: the page's policy allows only files of its own origin.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'flow', test: /node_modules[\\/](@xyflow|d3-)/ },
            { name: 'markdown', test: /node_modules[\\/](react-markdown|remark|rehype|micromark|mdast|hast|unist|unified|vfile|property-information)/ },
            { name: 'vendor', test: /node_modules/ },
          ],
        },
      },
    },
  },
  server: {
    port: 5173,
    strictPort: true,
    proxy: {
      ...Object.fromEntries(api.map((path) => [`^${path}(/|\\?|$)`, { target: server, changeOrigin: true, headers: { origin: server } }])),
      '^/ws(\\?|$)': { target: server, ws: true, changeOrigin: true, headers: { origin: server } },
    },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
