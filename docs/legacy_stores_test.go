package docs

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

func legacyKeyValue(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"create a bucket", func() error {
			kv, err := was.js.CreateKeyValue(&nats.KeyValueConfig{Bucket: "rooms", History: 5})
			_ = kv
			return err
		}, func() error {
			kv, err := is.js.CreateKeyValue(is.ctx, jetstream.KeyValueConfig{Bucket: "rooms", History: 5})
			_ = kv
			return err
		}},
		{"open one", func() error {
			kv, err := was.js.KeyValue("settings")
			_ = kv
			return err
		}, func() error {
			kv, err := is.js.KeyValue(is.ctx, "settings")
			_ = kv
			return err
		}},
		{"delete one", func() error {
			return was.js.DeleteKeyValue("settings")
		}, func() error {
			return is.js.DeleteKeyValue(is.ctx, "settings")
		}},
		{"list them", func() error {
			for name := range was.js.KeyValueStoreNames() {
				use(name)
			}
			return nil
		}, func() error {
			list := is.js.KeyValueStoreNames(is.ctx)
			for name := range list.Name() {
				use(name)
			}
			return list.Error()
		}},
		{"put", func() error {
			revision, err := was.kv.Put("color", []byte("blue"))
			_ = revision
			return err
		}, func() error {
			revision, err := is.kv.Put(is.ctx, "color", []byte("blue"))
			_ = revision
			return err
		}},
		{"get", func() error {
			entry, err := was.kv.Get("color")
			_ = entry
			return err
		}, func() error {
			entry, err := is.kv.Get(is.ctx, "color")
			_ = entry
			return err
		}},
		{"create", func() error {
			revision, err := was.kv.Create("font", []byte("serif"))
			_ = revision
			return err
		}, func() error {
			revision, err := is.kv.Create(is.ctx, "font", []byte("serif"))
			_ = revision
			return err
		}},
		{"compare and set", func() error {
			revision, err := was.kv.Update("color", []byte("blue"), 1)
			_ = revision
			return err
		}, func() error {
			revision, err := is.kv.Update(is.ctx, "color", []byte("blue"), 1)
			_ = revision
			return err
		}},
		{"delete", func() error {
			return was.kv.Delete("color", nats.LastRevision(1))
		}, func() error {
			return is.kv.Delete(is.ctx, "color", jetstream.LastRevision(1))
		}},
		{"delete with history", func() error {
			return was.kv.Purge("color")
		}, func() error {
			return is.kv.Purge(is.ctx, "color")
		}},
		{"watch", func() error {
			watcher, err := was.kv.Watch("color", nats.IgnoreDeletes())
			if err != nil {
				return err
			}
			entry := <-watcher.Updates()
			_ = entry
			return watcher.Stop()
		}, func() error {
			watcher, err := is.kv.Watch(is.ctx, "color", jetstream.IgnoreDeletes())
			if err != nil {
				return err
			}
			entry := <-watcher.Updates()
			_ = entry
			return watcher.Stop()
		}},
		{"keys", func() error {
			keys, err := was.kv.Keys()
			_ = keys
			return err
		}, func() error {
			keys, err := is.kv.Keys(is.ctx)
			_ = keys
			return err
		}},
		{"history", func() error {
			entries, err := was.kv.History("color")
			_ = entries
			return err
		}, func() error {
			entries, err := is.kv.History(is.ctx, "color")
			_ = entries
			return err
		}},
		{"clean up", func() error {
			return was.kv.PurgeDeletes(nats.DeleteMarkersOlderThan(time.Hour))
		}, func() error {
			return is.kv.PurgeDeletes(is.ctx, jetstream.DeleteMarkersOlderThan(time.Hour))
		}},
		{"state", func() error {
			status, err := was.kv.Status()
			_ = status
			return err
		}, func() error {
			status, err := is.kv.Status(is.ctx)
			_ = status
			return err
		}},
	}
}

func legacyObjects(was *legacySide, is *currentSide) []legacyRow {
	return []legacyRow{
		{"create a store", func() error {
			store, err := was.js.CreateObjectStore(&nats.ObjectStoreConfig{Bucket: "films"})
			_ = store
			return err
		}, func() error {
			store, err := is.js.CreateObjectStore(is.ctx, jetstream.ObjectStoreConfig{Bucket: "films"})
			_ = store
			return err
		}},
		{"open one", func() error {
			store, err := was.js.ObjectStore("reports")
			_ = store
			return err
		}, func() error {
			store, err := is.js.ObjectStore(is.ctx, "reports")
			_ = store
			return err
		}},
		{"put", func() error {
			info, err := was.store.Put(&nats.ObjectMeta{Name: "may"}, strings.NewReader("4"))
			_ = info
			return err
		}, func() error {
			info, err := is.store.Put(is.ctx, jetstream.ObjectMeta{Name: "may"}, strings.NewReader("4"))
			_ = info
			return err
		}},
		{"put bytes", func() error {
			info, err := was.store.PutBytes("may", []byte("4"))
			_ = info
			return err
		}, func() error {
			info, err := is.store.PutBytes(is.ctx, "may", []byte("4"))
			_ = info
			return err
		}},
		{"get", func() error {
			object, err := was.store.Get("november")
			if err != nil {
				return err
			}
			return object.Close()
		}, func() error {
			object, err := is.store.Get(is.ctx, "november")
			if err != nil {
				return err
			}
			return object.Close()
		}},
		{"get bytes", func() error {
			data, err := was.store.GetBytes("november")
			_ = data
			return err
		}, func() error {
			data, err := is.store.GetBytes(is.ctx, "november")
			_ = data
			return err
		}},
		{"describe", func() error {
			info, err := was.store.GetInfo("november")
			_ = info
			return err
		}, func() error {
			info, err := is.store.GetInfo(is.ctx, "november")
			_ = info
			return err
		}},
		{"rename", func() error {
			return was.store.UpdateMeta("november", &nats.ObjectMeta{Name: "2026-11"})
		}, func() error {
			return is.store.UpdateMeta(is.ctx, "november", jetstream.ObjectMeta{Name: "2026-11"})
		}},
		{"delete", func() error {
			return was.store.Delete("november")
		}, func() error {
			return is.store.Delete(is.ctx, "november")
		}},
		{"list", func() error {
			infos, err := was.store.List()
			_ = infos
			return err
		}, func() error {
			infos, err := is.store.List(is.ctx)
			_ = infos
			return err
		}},
		{"watch", func() error {
			watcher, err := was.store.Watch()
			if err != nil {
				return err
			}
			info := <-watcher.Updates()
			_ = info
			return watcher.Stop()
		}, func() error {
			watcher, err := is.store.Watch(is.ctx)
			if err != nil {
				return err
			}
			info := <-watcher.Updates()
			_ = info
			return watcher.Stop()
		}},
	}
}
