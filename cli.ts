#!/usr/bin/env node
import { main } from './topology/commands/main.js';

process.exitCode = await main(process.argv.slice(2), process.env);
