-- A role for each program, with no more than it needs: ingress cannot write a booking or a payment.
--
--   psql -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql     as an administrator, in our database
--   migrations up                                            as bookonce_migrations
--   psql -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql     again, after each migrations up
--
-- Changes nothing when it is run again. For another schema than public, which is made if it is missing:
-- PGOPTIONS='-c search_path=bookonce'. The roles have no password yet: ALTER ROLE bookonce_ingress PASSWORD '…'. Tables that are there become those of
-- bookonce_migrations.
DO $$
DECLARE
    home text;
    name text;
BEGIN
    IF current_schema() IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', current_setting('search_path'));
    END IF;
    home := current_schema();
    FOREACH name IN ARRAY ARRAY['migrations', 'ingress', 'worker', 'audit'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bookonce_' || name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'bookonce_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', home, 'bookonce_' || name);
    END LOOP;
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO bookonce_migrations', home);

    -- Tables to come.
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE bookonce_migrations IN SCHEMA %I '
        'GRANT SELECT ON TABLES TO bookonce_ingress, bookonce_worker, bookonce_audit', home);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE bookonce_migrations IN SCHEMA %I '
        'GRANT INSERT, UPDATE, DELETE ON TABLES TO bookonce_worker', home);

    -- Tables that are there.
    FOREACH name IN ARRAY ARRAY['booking', 'checkout', 'dead_letter', 'dispute', 'endpoint', 'ignored_event',
        'intervention', 'job', 'offering', 'outbox', 'outbox_delivery', 'owed_refund', 'payment', 'recurring_job',
        'refund', 'refused_webhook', 'resource', 'seaql_migrations', 'slot', 'stripe_endpoint_secret',
        'stripe_event', 'suspect'] LOOP
        CONTINUE WHEN to_regclass(format('%I.%I', home, name)) IS NULL;
        EXECUTE format('ALTER TABLE %I.%I OWNER TO bookonce_migrations', home, name);
        EXECUTE format('GRANT SELECT ON %I.%I TO bookonce_ingress, bookonce_audit', home, name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO bookonce_worker', home, name);
    END LOOP;

    -- Ingress holds seats, and notes which webhooks it left out or refused.
    FOREACH name IN ARRAY ARRAY['checkout', 'slot', 'resource', 'ignored_event', 'refused_webhook',
        'stripe_endpoint_secret'] LOOP
        CONTINUE WHEN to_regclass(format('%I.%I', home, name)) IS NULL;
        EXECUTE format('GRANT INSERT, UPDATE ON %I.%I TO bookonce_ingress', home, name);
    END LOOP;
    IF to_regclass(format('%I.refused_webhook', home)) IS NOT NULL THEN
        EXECUTE format('GRANT DELETE ON %I.refused_webhook TO bookonce_ingress', home);
        -- That the books agreed is noted.
        EXECUTE format('GRANT INSERT, UPDATE ON %I.recurring_job TO bookonce_audit', home);
    END IF;
END
$$;
