// Where distributions put the libraries of a driver, relative to the root that it is installed or mounted under.
export const driverFolders = [
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'usr/lib64',
  'usr/lib',
  'usr/lib/wsl/lib',
  'usr/lib/x86_64-linux-gnu/nvidia/current',
  'lib64',
  'lib',
];
