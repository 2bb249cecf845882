/*
 * The few calls of WiredTiger's public API (wiredtiger.h) that the workloads make, as plain functions. The API itself
 * is a set of structures of function pointers; one C call per operation is what a C application would write, and costs
 * no more than calling through the pointers from elsewhere.
 *
 * Every function returns WiredTiger's own error code, 0 for success.
 */
#include <stddef.h>
#include <stdint.h>
#include <wiredtiger.h>

typedef struct {
    WT_SESSION *session;
    WT_CURSOR *cursor;
} peers_wt_worker;

#define TABLE "table:bench"

const char *
peers_wt_strerror(int code)
{
    return (wiredtiger_strerror(code));
}

const char *
peers_wt_version(void)
{
    int major, minor, patch;

    return (wiredtiger_version(&major, &minor, &patch));
}

int
peers_wt_open(const char *home, const char *config, WT_CONNECTION **connection)
{
    WT_SESSION *session;
    int ret;

    if ((ret = wiredtiger_open(home, NULL, config, connection)) != 0)
        return (ret);
    if ((ret = (*connection)->open_session(*connection, NULL, NULL, &session)) != 0)
        return (ret);
    if ((ret = session->create(session, TABLE, "key_format=u,value_format=u")) != 0)
        return (ret);
    return (session->close(session, NULL));
}

int
peers_wt_close(WT_CONNECTION *connection)
{
    return (connection->close(connection, NULL));
}

int
peers_wt_worker_open(WT_CONNECTION *connection, peers_wt_worker *worker)
{
    int ret;

    if ((ret = connection->open_session(connection, NULL, NULL, &worker->session)) != 0)
        return (ret);
    return (worker->session->open_cursor(worker->session, TABLE, NULL, NULL, &worker->cursor));
}

int
peers_wt_worker_close(peers_wt_worker *worker)
{
    return (worker->session->close(worker->session, NULL));
}

int
peers_wt_begin(peers_wt_worker *worker)
{
    return (worker->session->begin_transaction(worker->session, NULL));
}

int
peers_wt_commit(peers_wt_worker *worker)
{
    return (worker->session->commit_transaction(worker->session, NULL));
}

int
peers_wt_rollback(peers_wt_worker *worker)
{
    return (worker->session->rollback_transaction(worker->session, NULL));
}

int
peers_wt_checkpoint(WT_CONNECTION *connection)
{
    WT_SESSION *session;
    int ret;

    if ((ret = connection->open_session(connection, NULL, NULL, &session)) != 0)
        return (ret);
    if ((ret = session->checkpoint(session, NULL)) != 0)
        return (ret);
    return (session->close(session, NULL));
}

int
peers_wt_put(
  peers_wt_worker *worker, const void *key, size_t key_size, const void *value, size_t value_size)
{
    WT_CURSOR *cursor = worker->cursor;
    WT_ITEM key_item = {.data = key, .size = key_size};
    WT_ITEM value_item = {.data = value, .size = value_size};

    cursor->set_key(cursor, &key_item);
    cursor->set_value(cursor, &value_item);
    return (cursor->insert(cursor));
}

/* Exact search; the value stays valid until the cursor is used again. */
int
peers_wt_get(peers_wt_worker *worker, const void *key, size_t key_size, const void **value, size_t *value_size)
{
    WT_CURSOR *cursor = worker->cursor;
    WT_ITEM key_item = {.data = key, .size = key_size};
    WT_ITEM value_item;
    int ret;

    cursor->set_key(cursor, &key_item);
    if ((ret = cursor->search(cursor)) != 0)
        return (ret);
    if ((ret = cursor->get_value(cursor, &value_item)) != 0)
        return (ret);
    *value = value_item.data;
    *value_size = value_item.size;
    return (0);
}

/* Positions before the first row whose key is not less than `key`, so that the next `peers_wt_next` gives that row:
 * `at` becomes 1 when the cursor already rests on it. */
int
peers_wt_seek(peers_wt_worker *worker, const void *key, size_t key_size, int *at)
{
    WT_CURSOR *cursor = worker->cursor;
    WT_ITEM key_item = {.data = key, .size = key_size};
    int exact, ret;

    cursor->set_key(cursor, &key_item);
    if ((ret = cursor->search_near(cursor, &exact)) != 0)
        return (ret);
    *at = exact >= 0;
    return (0);
}

int
peers_wt_row(peers_wt_worker *worker, const void **key, size_t *key_size, const void **value, size_t *value_size)
{
    WT_CURSOR *cursor = worker->cursor;
    WT_ITEM key_item, value_item;
    int ret;

    if ((ret = cursor->get_key(cursor, &key_item)) != 0)
        return (ret);
    if ((ret = cursor->get_value(cursor, &value_item)) != 0)
        return (ret);
    *key = key_item.data;
    *key_size = key_item.size;
    *value = value_item.data;
    *value_size = value_item.size;
    return (0);
}

int
peers_wt_next(peers_wt_worker *worker)
{
    return (worker->cursor->next(worker->cursor));
}

int
peers_wt_reset(peers_wt_worker *worker)
{
    return (worker->cursor->reset(worker->cursor));
}
