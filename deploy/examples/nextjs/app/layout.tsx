import type { ReactNode } from "react";

export const metadata = { title: "Harbour rooms" };

const CSS = `
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem; }
  form { display: grid; gap: .75rem; } label { display: grid; gap: .25rem; }
  input, select, button { font: inherit; padding: .6rem; } [role=alert] { color: #b00; }
`;

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <head>
        <link rel="icon" href="data:," />
        <style>{CSS}</style>
      </head>
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}
