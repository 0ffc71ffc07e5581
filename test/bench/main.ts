// The benchmarks: `npm run bench` measures the laptop mesh beside direct connections, `npm run bench -- tunnel …` the tunnel
// beside Istio's ztunnel, `npm run bench -- mesh-index …` the mesh in memory, `npm run bench -- telemetry …` what telemetry costs.
// Each says in its head which options it takes.
if (process.argv[2] === 'tunnel') await import('./tunnel.ts');
else if (process.argv[2] === 'mesh-index') await import('./mesh-index.ts');
else if (process.argv[2] === 'telemetry') await import('./telemetry.ts');
else await import('./mesh.ts');
