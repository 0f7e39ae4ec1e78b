package metadata

import "iter"

// tree is a sorted map that never changes: set and without return another tree
// that shares all but the path to the changed entry. It is an AVL tree, so that
// equal contents cost the same whatever their history. The zero tree with a
// compare function is empty.
type tree[K, V any] struct {
	compare func(a, b K) int
	root    *treeNode[K, V]
	count   int
}

type treeNode[K, V any] struct {
	key         K
	value       V
	left, right *treeNode[K, V]
	height      int8
}

func newTree[K, V any](compare func(a, b K) int) tree[K, V] { return tree[K, V]{compare: compare} }

// get is the value of a key, and whether it is there.
func (t tree[K, V]) get(key K) (value V, ok bool) {
	for n := t.root; n != nil; {
		switch c := t.compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	return value, false
}

// set is the tree with the key's value replaced or added.
func (t tree[K, V]) set(key K, value V) tree[K, V] {
	root, added := t.insert(t.root, key, value)
	t.root = root
	if added {
		t.count++
	}
	return t
}

// without is the tree with no such key.
func (t tree[K, V]) without(key K) tree[K, V] {
	if _, ok := t.get(key); !ok {
		return t
	}
	t.root = t.remove(t.root, key)
	t.count--
	return t
}

// all yields the entries in key order.
func (t tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.root.walk(yield) }
}

// from yields the entries whose key is not before the given one, in key order.
func (t tree[K, V]) from(key K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.root.walkFrom(t.compare, key, yield) }
}

// values yields the values in key order.
func (t tree[K, V]) values() iter.Seq[V] {
	return func(yield func(V) bool) {
		t.root.walk(func(_ K, v V) bool { return yield(v) })
	}
}

func (n *treeNode[K, V]) walk(yield func(K, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (n *treeNode[K, V]) walkFrom(compare func(a, b K) int, key K, yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	if compare(n.key, key) < 0 {
		return n.right.walkFrom(compare, key, yield)
	}
	return n.left.walkFrom(compare, key, yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (t tree[K, V]) insert(n *treeNode[K, V], key K, value V) (_ *treeNode[K, V], added bool) {
	if n == nil {
		return &treeNode[K, V]{key: key, value: value, height: 1}, true
	}
	fresh := *n
	switch c := t.compare(key, n.key); {
	case c < 0:
		fresh.left, added = t.insert(n.left, key, value)
	case c > 0:
		fresh.right, added = t.insert(n.right, key, value)
	default:
		fresh.key, fresh.value = key, value
	}
	return fresh.balanced(), added
}

func (t tree[K, V]) remove(n *treeNode[K, V], key K) *treeNode[K, V] {
	fresh := *n
	switch c := t.compare(key, n.key); {
	case c < 0:
		fresh.left = t.remove(n.left, key)
	case c > 0:
		fresh.right = t.remove(n.right, key)
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	default:
		next := n.right
		for next.left != nil {
			next = next.left
		}
		fresh.key, fresh.value = next.key, next.value
		fresh.right = t.remove(n.right, next.key)
	}
	return fresh.balanced()
}

func (n *treeNode[K, V]) tall() int8 {
	if n == nil {
		return 0
	}
	return n.height
}

// balanced restores the AVL invariant (heights differ by at most one) of a node
// that nobody else sees yet, whose subtrees hold it and are at most one change
// away from balance.
func (n *treeNode[K, V]) balanced() *treeNode[K, V] {
	switch lean := n.left.tall() - n.right.tall(); {
	case lean > 1:
		left := *n.left
		if left.left.tall() < left.right.tall() {
			n.left = left.rotatedLeft()
		}
		return n.rotatedRight()
	case lean < -1:
		right := *n.right
		if right.right.tall() < right.left.tall() {
			n.right = right.rotatedRight()
		}
		return n.rotatedLeft()
	}
	n.height = 1 + max(n.left.tall(), n.right.tall())
	return n
}

func (n *treeNode[K, V]) rotatedRight() *treeNode[K, V] {
	top := *n.left
	n.left = top.right
	n.height = 1 + max(n.left.tall(), n.right.tall())
	top.right = n
	top.height = 1 + max(top.left.tall(), n.height)
	return &top
}

func (n *treeNode[K, V]) rotatedLeft() *treeNode[K, V] {
	top := *n.right
	n.right = top.left
	n.height = 1 + max(n.left.tall(), n.right.tall())
	top.left = n
	top.height = 1 + max(top.right.tall(), n.height)
	return &top
}
