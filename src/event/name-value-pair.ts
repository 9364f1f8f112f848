const NAMES = new Set(
  'name,key,field,fieldname,header,headername,param,parameter,property,prop,attribute,attr,path,type,label,variable,option,column,id,k,n'.split(
    ',',
  ),
);
const VALUES = new Set(
  'value,values,val,v,content,text,data,default,defaultvalue,old,oldvalue,new,newvalue,from,to,before,after,previous,current'.split(
    ',',
  ),
);
const LONGEST = 64;

/** Whether what stands under the key may be the name of a value beside it, as in `{ name: 'password', value: 'hunter2' }`. */
export function isNaming(key: string): boolean {
  return key.length <= LONGEST && NAMES.has(squashed(key));
}

/** Whether what stands under the key may be the value to such a name. */
export function isValueOfPair(key: string): boolean {
  return key.length <= LONGEST && VALUES.has(squashed(key));
}

/**
 * The name that a text is, where it can be one: a single word, of a path its last part. A label is what people read.
 *
 * @param key under which it stands
 */
export function nameIn(text: string, key = ''): string | undefined {
  if (text.length > LONGEST || (/\s/.test(text) && squashed(key) !== 'label')) return undefined;
  return /([^/]+)(?:\/(?:\d+|-))?$/.exec(text)?.[1];
}

function squashed(key: string): string {
  return key.toLowerCase().replace(/[^a-z]+/g, '');
}
