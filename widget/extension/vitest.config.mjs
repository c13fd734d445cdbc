export default { test: { environment: 'node', include: ['test/**/*.test.ts'] } }
