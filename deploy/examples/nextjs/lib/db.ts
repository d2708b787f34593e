import { Pool } from "pg";

/** The site's own database. */
export const db = new Pool({ connectionString: process.env.DATABASE_URL });
// A connection that breaks while it waits is no reason to stop.
db.on("error", (error) => console.warn(error.message));
