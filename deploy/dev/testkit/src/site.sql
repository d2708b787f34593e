-- A site that books for itself: tables that are called like ours, its own, and the function that
-- keeps its own.
CREATE TABLE public.booking (id int);
CREATE TABLE public.payment (id int);
CREATE TABLE public.seaql_migrations (id int);

CREATE TABLE public.bookings (
    reference text PRIMARY KEY,
    order_id text,
    status text NOT NULL,
    changes int NOT NULL DEFAULT 1,
    document jsonb NOT NULL
);

CREATE FUNCTION public.on_booking(document jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
    IF document #>> '{checkout,client_reference}' = 'refused' THEN
        RAISE EXCEPTION 'room 7 is closed' USING ERRCODE = 'SH001';
    END IF;
    INSERT INTO bookings (reference, order_id, status, document)
    VALUES (
        document #>> '{booking,reference}',
        document #>> '{checkout,client_reference}',
        document #>> '{booking,status}',
        document
    )
    ON CONFLICT (reference) DO UPDATE
    SET status = excluded.status, changes = bookings.changes + 1, document = excluded.document;
END $$;
