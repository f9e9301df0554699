// One transform and one module system for every suite; the projects differ in what they start.
// `unit` starts nothing or a private store; `product` starts whole servers; `faults` kills them.
const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, sourceMaps: 'inline' },
    ],
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^@gridpost/(model|store|store-redis)/(testing|suite)$': ['<rootDir>/libs/$1/src/$2/index.ts'],
    '^@gridpost/(gateway|delivery|server)$': '<rootDir>/services/$1/src/index.ts',
    '^@gridpost/([^/]+)$': '<rootDir>/libs/$1/src/index.ts',
  },
  modulePathIgnorePatterns: ['/dist/'],
};

export default {
  coverageProvider: 'v8',
  // Whole servers start in some tests, on machines that may be busy: longer than what a test waits for, which says itself
  // what has not come. A test that hangs still ends.
  testTimeout: 120_000,
  // Also on two cores: much of the time is spent waiting.
  maxWorkers: 2,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/{libs,services,schemas,bench}/**/*.test.ts',
        '<rootDir>/test/{house,support}/**/*.test.ts',
      ],
    },
    {
      ...shared,
      displayName: 'product',
      testMatch: ['<rootDir>/test/{e2e,conformance,observability}/**/*.test.ts'],
    },
    { ...shared, displayName: 'faults', testMatch: ['<rootDir>/test/faults/**/*.test.ts'] },
  ],
};
