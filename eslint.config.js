import tseslint from 'typescript-eslint';

// Who may import whom: the arrows of the architecture, held by the linter.
const folders = ['schema', 'operators', 'models', 'sinks', 'topology', 'serving', 'simulator', 'bench'];
const mayImport = {
  schema: [],
  operators: ['schema'],
  models: ['schema'],
  sinks: ['schema'],
  serving: ['schema', 'models'],
  simulator: ['schema'],
  topology: ['schema', 'operators', 'models', 'sinks', 'serving', 'simulator'],
};

const layers = Object.entries(mayImport).map(([folder, allowed]) => ({
  files: [`${folder}/**/*.ts`],
  ignores: ['**/*.test.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: folders
          .filter((other) => other !== folder && !allowed.includes(other))
          .map((other) => ({
            regex: `^(\\.\\./)+${other}/`,
            message: `${folder}/ may import only ${['itself', ...allowed].join(', ')}.`,
          })),
      },
    ],
  },
}));

export default tseslint.config(
  // AssemblyScript looks like TypeScript, and its own compiler checks it.
  {
    ignores: [
      'dist/**',
      'node_modules/**',
      'coverage/**',
      'serving/page/**',
      '.cache/**',
      '**/.venv/**',
      'operators/decode/wasm/json-match.ts',
      'schema/wasm/column-pack.ts',
    ],
  },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      eqeqeq: 'error',
    },
  },
  { files: ['**/*.test.ts'], rules: { '@typescript-eslint/no-non-null-assertion': 'off' } },
  { files: ['eslint.config.js'], ...tseslint.configs.disableTypeChecked },
  ...layers,
);
