//! Tables with named columns: each column group is a tree of its own.

use super::support::*;

#[test]
fn column_groups_are_placed_one_by_one_and_indices_stay_local() {
    let world = World::new();
    let connection = world.open_tiered("local_retention=0");
    let session = session(&connection);
    session.create("table:t", "key_format=S,value_format=SS,columns=(k,a,b),colgroups=(near,far)").unwrap();
    session.create("colgroup:t:near", "columns=(a),tiered_storage=(name=none)").unwrap();
    session.create("colgroup:t:far", "columns=(b)").unwrap();
    session.create("index:t:i", "columns=(b)").unwrap();
    let kinds = metadata(&connection);
    for uri in ["file:t_near.wt", "tiered:t_far", "file:t_far-0000000001.wtobj", "file:t_i.wti"] {
        assert!(kinds.contains_key(uri), "{uri} is not in {:?}", kinds.keys());
    }

    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in 0..50_u32 {
        cursor.put(key(number), (format!("a{number}"), format!("b{number}"))).unwrap();
    }
    drop(cursor);
    checkpoint_and_flush(&session);
    assert_eq!(world.bucket("bucket1"), ["pfx_t_far-0000000001.wtobj"]);
    wait_until("the local copy is removed", || !world.path("t_far-0000000001.wtobj").exists());
    drop(session);
    connection.close("").unwrap();

    let connection = world.open_tiered("local_retention=0");
    let session = super::support::session(&connection);
    let mut table = session.open_cursor("table:t", "").unwrap();
    let all: Vec<_> = table.range::<String, (String, String)>(..).unwrap().map(|row| row.unwrap()).collect();
    let expected = (0..50).map(|number| (key(number), (format!("a{number}"), format!("b{number}"))));
    assert_eq!(all, expected.collect::<Vec<_>>());
    let mut index = session.open_cursor("index:t:i", "").unwrap();
    index.set_key("b7").unwrap();
    index.search().unwrap();
    assert_eq!(index.get_value::<(String, String)>().unwrap(), ("a7".to_owned(), "b7".to_owned()));
    drop((table, index));

    session.drop("table:t", "remove_shared=true").unwrap();
    wait_until("the objects are removed", || world.bucket("bucket1").is_empty());
    assert_eq!(metadata(&connection).len(), 0);
    assert_eq!(world.files().iter().filter(|name| !name.contains('/')).count(), 0, "{:?}", world.files());
}
