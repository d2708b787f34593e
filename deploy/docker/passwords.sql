-- The password of each role, from the environment, where psql reads it.
\getenv migrations MIGRATIONS_PASSWORD
\getenv ingress INGRESS_PASSWORD
\getenv worker WORKER_PASSWORD
\getenv audit AUDIT_PASSWORD
ALTER ROLE bookonce_migrations PASSWORD :'migrations';
ALTER ROLE bookonce_ingress PASSWORD :'ingress';
ALTER ROLE bookonce_worker PASSWORD :'worker';
ALTER ROLE bookonce_audit PASSWORD :'audit';
